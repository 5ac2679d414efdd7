# Builds _cuda where nvcc is found; RAPIDMASK_CUDA=ON makes it an error when it is not.
include(CheckLanguage)

# Set before CUDA is enabled, which would choose an architecture by itself.
if(RAPIDMASK_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${RAPIDMASK_CUDA_ARCHITECTURES})
else()
  set(CMAKE_CUDA_ARCHITECTURES 90)
  execute_process(
    COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE capability RESULT_VARIABLE status ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(status EQUAL 0 AND capability MATCHES "^([0-9]+)\\.([0-9]+)")
    set(CMAKE_CUDA_ARCHITECTURES ${CMAKE_MATCH_1}${CMAKE_MATCH_2})
  endif()
endif()

check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(RAPIDMASK_CUDA STREQUAL "ON")
    message(FATAL_ERROR "RAPIDMASK_CUDA=ON, but no CUDA compiler was found: put nvcc on PATH or set CUDACXX")
  endif()
  message(STATUS "rapidmask: no CUDA compiler found, building for the CPU alone")
  return()
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)

file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cuda/src/*.cu)
add_library(rapidmask_kernels OBJECT ${kernel_sources})
target_include_directories(rapidmask_kernels PRIVATE ${CMAKE_SOURCE_DIR}/cpp/include ${CMAKE_SOURCE_DIR}/cuda/src)
target_compile_options(rapidmask_kernels PRIVATE --fmad=false --threads=2 -Xptxas=--warn-on-spills -Xcompiler=-Wall,-Wextra,-ffp-contract=off
                                                 $<$<BOOL:${RAPIDMASK_WERROR}>:-Werror=all-warnings>)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
  target_compile_options(rapidmask_kernels PRIVATE --compress-mode=size)
endif()

find_package(CUDAToolkit REQUIRED)
add_backend(_cuda RM_BACKEND_CUDA cuda/bindings/runtime.cpp $<TARGET_OBJECTS:rapidmask_kernels>)
target_include_directories(_cuda PRIVATE ${CMAKE_SOURCE_DIR}/cuda/src)
target_link_libraries(_cuda PRIVATE CUDA::cudart_static)
