#include "kept_memory.hpp"

#include <pybind11/numpy.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace rapidmask::python {
namespace py = pybind11;

namespace {

constexpr std::size_t kLeastBytes = std::size_t{1} << 23;   // below, what the C library gave out last is in the cache
constexpr std::size_t kLeastMapped = std::size_t{1} << 17;  // from here on, some give all memory back at once
constexpr std::size_t kMostBytes = std::size_t{1} << 26;    // of one block, and of all

// What stands before the bytes of a block.
struct alignas(64) Block {
  std::size_t capacity;
  void* bytes() { return this + 1; }
  static Block* of(void* bytes) { return static_cast<Block*>(bytes) - 1; }
};

// A few blocks, the oldest first. Whoever finds the shelf in use, be it by a thread that a fork has left behind, does
// without.
class Shelf {
 public:
  // A block of so many bytes, of which no more than a quarter would be wasted, or none.
  Block* take(std::size_t bytes) {
    if (in_use_.test_and_set(std::memory_order_acquire)) return nullptr;
    Block* found = nullptr;
    const auto fits = [&](const Block* block) {
      return block->capacity >= bytes && block->capacity - bytes <= bytes / 4;
    };
    const auto at = std::find_if(blocks_.begin(), blocks_.begin() + count_, fits);
    if (at != blocks_.begin() + count_) {
      found = *at;
      remove(at);
    }
    in_use_.clear(std::memory_order_release);
    return found;
  }

  void give(Block* block) {
    if (block->capacity > kMostBytes || in_use_.test_and_set(std::memory_order_acquire)) return std::free(block);
    while (count_ == kBlocks || total_ + block->capacity > kMostBytes) free_oldest();
    blocks_[count_++] = block;
    total_ += block->capacity;
    in_use_.clear(std::memory_order_release);
  }

  void clear() {
    if (in_use_.test_and_set(std::memory_order_acquire)) return;
    while (count_ != 0) free_oldest();
    in_use_.clear(std::memory_order_release);
  }

 private:
  static constexpr std::size_t kBlocks = 4;

  void free_oldest() {
    Block* oldest = blocks_[0];
    remove(blocks_.begin());
    std::free(oldest);
  }

  void remove(std::array<Block*, kBlocks>::iterator at) {
    total_ -= (*at)->capacity;
    std::copy(at + 1, blocks_.begin() + count_, at);
    --count_;
  }

  std::atomic_flag in_use_;
  std::array<Block*, kBlocks> blocks_{};
  std::size_t count_ = 0, total_ = 0;
};
constinit Shelf shelf;

Block* fresh(std::size_t bytes) {
  if (bytes > SIZE_MAX - sizeof(Block)) return nullptr;
  const std::size_t size = sizeof(Block) + bytes;
  void* found = nullptr;
#if defined(__linux__)
  constexpr std::size_t kHugePage = std::size_t{1} << 21;
  if (bytes >= 2 * kHugePage) {  // as NumPy asks for its own
    if (posix_memalign(&found, kHugePage, size) != 0) return nullptr;
    madvise(found, size, MADV_HUGEPAGE);
  }
#endif
  if (found == nullptr) found = std::malloc(size);
  if (found != nullptr) static_cast<Block*>(found)->capacity = bytes;
  return static_cast<Block*>(found);
}

void* allocate(void*, std::size_t bytes) {
  Block* block = shelf.take(bytes);
  if (block == nullptr) block = fresh(bytes);
  if (block == nullptr) {
    shelf.clear();
    block = fresh(bytes);
  }
  return block == nullptr ? nullptr : block->bytes();
}

void* allocate_zeros(void* context, std::size_t count, std::size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* bytes = allocate(context, count * size);
  return bytes == nullptr ? nullptr : std::memset(bytes, 0, count * size);
}

void leave(void*, void* bytes, std::size_t) {
  if (bytes != nullptr) shelf.give(Block::of(bytes));
}

void* reallocate(void* context, void* bytes, std::size_t wanted) {
  if (bytes != nullptr && wanted <= Block::of(bytes)->capacity) return bytes;
  void* moved = allocate(context, wanted);
  if (moved == nullptr || bytes == nullptr) return moved;
  std::memcpy(moved, bytes, Block::of(bytes)->capacity);
  leave(context, bytes, 0);
  return moved;
}

// Whether glibc takes blocks from the system each by itself, and gives them back, as it does once any of its limits is
// set; workers of Dask set one.
bool is_mapped_by_block() {
#if defined(__GLIBC__)
  constexpr const char* kLimits[] = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_",
                                     "MALLOC_MMAP_MAX_"};
  return std::any_of(std::begin(kLimits), std::end(kLimits), [](const char* limit) { return std::getenv(limit); });
#else
  return false;
#endif
}

std::size_t least_bytes() {
  static const std::size_t least = is_mapped_by_block() ? kLeastMapped : kLeastBytes;
  return least;
}

// As NumPy's C interface has them (NEP 49).
struct Handler {
  char name[127];
  std::uint8_t version;
  struct {
    void* context;
    void* (*malloc)(void*, std::size_t);
    void* (*calloc)(void*, std::size_t, std::size_t);
    void* (*realloc)(void*, void*, std::size_t);
    void (*free)(void*, void*, std::size_t);
  } allocator;
};
Handler handler{"rapidmask", 1, {nullptr, &allocate, &allocate_zeros, &reallocate, &leave}};

PyObject* set_handler(PyObject* capsule) {
  constexpr int kSetHandler = 304;  // in the table of NumPy's C interface
  // Not under a guard of C++: this runs Python, which may let another thread wait there with the GIL.
  using Set = PyObject* (*)(PyObject*);
  static std::atomic<Set> found{nullptr};
  Set set = found.load(std::memory_order_relaxed);
  if (set == nullptr) {
    const py::object table = py::detail::import_numpy_core_submodule("multiarray").attr("_ARRAY_API");
    set = reinterpret_cast<Set>(static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr))[kSetHandler]);
    found.store(set, std::memory_order_relaxed);
  }
  return set(capsule);
}

}  // namespace

KeptMemory::KeptMemory(std::size_t bytes) {
#if !defined(__SANITIZE_ADDRESS__)  // which is to see what is used after its end
  if (bytes < least_bytes() || bytes > kMostBytes) return;
  static PyObject* const ours = PyCapsule_New(&handler, "mem_handler", nullptr);
  previous_ = set_handler(ours);
  if (previous_ == nullptr) throw py::error_already_set();
#endif
}

KeptMemory::~KeptMemory() {
  if (previous_ == nullptr) return;
  Py_XDECREF(set_handler(previous_));
  Py_DECREF(previous_);
}

}  // namespace rapidmask::python
