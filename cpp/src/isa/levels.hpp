// Which instruction level serves this process.
#pragma once

#include <string>
#include <vector>

namespace rapidmask {

// Levels that were built and that this processor has, worst first: "baseline" and, on x86-64, "x86_v3", "x86_v4".
std::vector<std::string> available_levels();
std::string current_level();
// Throws std::invalid_argument when `name` is not available. Not meant to be called while kernels run.
void set_level(const std::string& name);

}  // namespace rapidmask
