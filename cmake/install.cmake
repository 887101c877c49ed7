include(CMakePackageConfigHelpers)

install(TARGETS mlot EXPORT mlotTargets)
install(DIRECTORY include/mlot DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/mlot)
install(EXPORT mlotTargets NAMESPACE mlot:: DESTINATION ${package_dir})
configure_package_config_file(cmake/mlotConfig.cmake.in mlotConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(mlotConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/mlotConfig.cmake ${PROJECT_BINARY_DIR}/mlotConfigVersion.cmake
        cmake/mlot_simd.cmake cmake/mlot_cuda.cmake cmake/mlot_compiled.cmake DESTINATION ${package_dir})

# The .pc file finds its prefix from where it lies, so that an installed tree can be moved.
file(RELATIVE_PATH MLOT_PC_PREFIX ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/mlot.pc.in mlot.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/mlot.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
