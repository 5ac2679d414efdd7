// A harness on files and on all files of folders, without libFuzzer: fuzz_NAME [--threads=N] PATH...
//
// With several threads each runs all the files, in an order of its own, with as many threads in the library's pool;
// the instruction level, which is the process's, stays what it is.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using File = std::vector<char>;

void read(const std::filesystem::path& path, std::vector<File>& files) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> inside;
    for (const auto& entry : std::filesystem::directory_iterator(path)) inside.push_back(entry.path());
    std::sort(inside.begin(), inside.end());
    for (const auto& each : inside) read(each, files);
    return;
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

void run(const std::vector<File>& files, std::size_t first) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const File& file = files[(first + i) % files.size()];
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr const char* kThreads = "--threads=";
  int threads = 1;
  std::vector<File> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kThreads, std::strlen(kThreads)) == 0) {
      threads = std::atoi(argv[i] + std::strlen(kThreads));
    } else {
      read(argv[i], files);
    }
  }
  if (threads > 1) rapidmask::fuzz::share_process(threads);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back(run, std::cref(files), files.size() * static_cast<std::size_t>(i) / threads);
  }
  run(files, 0);
  for (std::thread& other : others) other.join();
  std::printf("%zu executions\n", files.size() * static_cast<std::size_t>(threads));
  return 0;
}
