// Reads float32 numbers and writes e^x of all, then the logistic function of all, number by number and in vectors, for
// tests/test_portable.py.

#include <cstdio>
#include <vector>

#include "isa/sigmoid_lanes.hpp"
#include "rapidmask/portable_expf.hpp"

int main() {
  std::vector<float> x(1 << 22);
  x.resize(std::fread(x.data(), sizeof(float), x.size(), stdin));
  std::vector<float> y(3 * x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = rapidmask::portable_exp(x[i]);
  for (std::size_t i = 0; i < x.size(); ++i) y[x.size() + i] = rapidmask::portable_sigmoid(x[i]);
  rapidmask::activate_values(x.data(), static_cast<std::int64_t>(x.size()), y.data() + 2 * x.size());
  return std::fwrite(y.data(), sizeof(float), y.size(), stdout) == y.size() ? 0 : 1;
}
