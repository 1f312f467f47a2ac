# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(roomcast_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/roomcast")

install(TARGETS roomcast EXPORT roomcast-targets
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT roomcast-targets NAMESPACE roomcast:: DESTINATION "${roomcast_package_dir}")

# While the major version is 0, a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/roomcast-config-version.cmake"
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES cmake/roomcast-config.cmake "${PROJECT_BINARY_DIR}/roomcast-config-version.cmake"
    DESTINATION "${roomcast_package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
