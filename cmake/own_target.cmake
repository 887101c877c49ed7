# What holds for the project's own programs and is no business of those who use the library.
function(mlot_own_target target)
  set(warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
  if (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False reports in its own AVX-512 intrinsics (GCC bug 105593) and in std::string (105329). clang still warns.
    list(APPEND warnings -Wno-uninitialized -Wno-restrict)
  endif ()
  if (CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND warnings -Wno-maybe-uninitialized)  # guesses, and wrong ones where little is optimised; clang still warns
  endif ()
  # What nvcc makes of a file for the host's compiler is not pedantic.
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>"
                         "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall,-Wextra>")
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE mlot::mlot)
  if (TARGET mlot::simd)
    target_link_libraries(${target} PRIVATE mlot::simd)
  endif ()
  if (TARGET mlot::cuda)
    target_link_libraries(${target} PRIVATE mlot::cuda)
  endif ()
endfunction()
