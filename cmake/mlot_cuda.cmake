# mlot::cuda = mlot::mlot + the headers of CUDA's runtime, in C++20. Enables the language CUDA; defines nothing when there
# is no compiler for it. The runtime itself is linked with the language: a target's CUDA_RUNTIME_LIBRARY says which.
if (TARGET mlot::cuda)
  return()
endif ()

include(CheckLanguage)
check_language(CUDA)
if (CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  find_package(CUDAToolkit QUIET)
  if (TARGET CUDA::toolkit)
    add_library(mlot::cuda INTERFACE IMPORTED GLOBAL)
    target_link_libraries(mlot::cuda INTERFACE mlot::mlot CUDA::toolkit)
    if ("cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
      target_compile_features(mlot::cuda INTERFACE cuda_std_20)
    else ()  # CMake 3.25 does not know that nvcc has it
      target_compile_options(mlot::cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    endif ()
  endif ()
endif ()
