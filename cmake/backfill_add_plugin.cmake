# backfill_add_plugin(name [NO_INSTALL] source…)
#
# Builds a transform plugin, NAME.so, from C++20 sources that include <backfill/transform.hpp>.
# The same function serves this repository and projects that use find_package(backfill). Plugins
# of this repository are also installed where backfill looks for them, unless NO_INSTALL.

function(backfill_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "NO_INSTALL" "" "")
  if(NOT ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "backfill_add_plugin(${name}): no sources given")
  endif()
  add_library(${name} MODULE ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE backfill::transform)
  set_target_properties(${name} PROPERTIES
    PREFIX ""
    SUFFIX ".so"
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  if(DEFINED backfill_SOURCE_DIR AND NOT ARG_NO_INSTALL)
    # From bin/backfill in the build tree, plugins are found as they are once installed.
    set_target_properties(${name} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${backfill_BINARY_DIR}/lib/backfill)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/backfill)
  endif()
endfunction()
