# Downloads xsimd's headers where none are installed.
find_path(MLOT_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp)
if (NOT MLOT_XSIMD_INCLUDE_DIR)
  include(FetchContent)
  FetchContent_Declare(xsimd
    GIT_REPOSITORY https://github.com/xtensor-stack/xsimd.git
    GIT_TAG 1f8dd9c8e162968d9b4ff0251c56d431b8777f36 # 13.2.0
    SOURCE_SUBDIR no_need_of_its_targets)
  FetchContent_MakeAvailable(xsimd)
  set(MLOT_XSIMD_INCLUDE_DIR ${xsimd_SOURCE_DIR}/include CACHE PATH "Where xsimd/xsimd.hpp lies" FORCE)
endif ()
