# libcnn_dist: every storey but the commands in one shared library that shows include/cnn_dist only.
include(GNUInstallDirs)
set(parts base config format backend model comm image replica data train)
list(TRANSFORM parts PREPEND cnn_)
set(objects)
foreach(part ${parts})
  if(NOT TARGET ${part})
    return()
  endif()
  list(APPEND objects $<TARGET_OBJECTS:${part}>)
endforeach()
add_library(cnn_dist_library SHARED ${objects})
# The archives bring only their outside libraries: what they hold is here already.
target_link_libraries(cnn_dist_library PRIVATE ${parts} -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cnn_dist.map)
set_target_properties(cnn_dist_library PROPERTIES OUTPUT_NAME cnn_dist VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} LINKER_LANGUAGE C
                      LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cnn_dist.map)
# The file says where things are from where it lies itself, so that an install can be moved.
file(RELATIVE_PATH CNN_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cnn_dist.pc.in cnn_dist.pc @ONLY)
install(TARGETS cnn_dist_library LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/cnn_dist DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cnn_dist.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
