# The plugin contract as others see it: the target backfill::transform, backfill_add_plugin(),
# and the package that find_package(backfill) finds. Included by the top-level CMakeLists.txt.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
include(${CMAKE_CURRENT_LIST_DIR}/backfill_add_plugin.cmake)

add_library(backfill_transform INTERFACE)
add_library(backfill::transform ALIAS backfill_transform)
set_target_properties(backfill_transform PROPERTIES EXPORT_NAME transform)
target_compile_features(backfill_transform INTERFACE cxx_std_20)
target_include_directories(backfill_transform INTERFACE
  $<BUILD_INTERFACE:${backfill_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/backfill)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/backfillConfig.cmake.in
  ${backfill_BINARY_DIR}/package/backfillConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(
  ${backfill_BINARY_DIR}/package/backfillConfigVersion.cmake
  COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)

install(DIRECTORY ${backfill_SOURCE_DIR}/include/backfill
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS backfill_transform EXPORT backfillTargets)
install(EXPORT backfillTargets NAMESPACE backfill:: DESTINATION ${package_dir})
install(FILES
  ${backfill_BINARY_DIR}/package/backfillConfig.cmake
  ${backfill_BINARY_DIR}/package/backfillConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/backfill_add_plugin.cmake
  DESTINATION ${package_dir})
