# Whole runs of the program on several ranks.
if(TARGET cnn_dist)
  foreach(name e2e_resume e2e_ranks e2e_data e2e_import e2e_sources e2e_recipes e2e_phases e2e_bf16 e2e_bench e2e_classes)
    add_test(NAME mpi/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh $<TARGET_FILE:cnn_dist>)
    set_tests_properties(mpi/${name} PROPERTIES TIMEOUT 900 PROCESSORS 2 SKIP_RETURN_CODE 77)
  endforeach()
  add_executable(close_terminal close_terminal.c)
  target_link_libraries(close_terminal PRIVATE util)
  foreach(name e2e_signals e2e_launch)
    add_test(NAME mpi/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh $<TARGET_FILE:cnn_dist>
                                      $<TARGET_FILE:close_terminal>)
    set_tests_properties(mpi/${name} PROPERTIES TIMEOUT 300 PROCESSORS 2)
  endforeach()
  add_executable(json_check json_check.c)
  target_link_libraries(json_check PRIVATE PkgConfig::JANSSON)
  add_test(NAME mpi/e2e_doctor COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e_doctor.sh $<TARGET_FILE:cnn_dist>
                                       $<TARGET_FILE:json_check>)
  add_test(NAME mpi/e2e_json COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e_json.sh $<TARGET_FILE:cnn_dist>
                                     $<TARGET_FILE:json_check>)
  add_test(NAME mpi/e2e_predict COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e_predict.sh $<TARGET_FILE:cnn_dist>
                                        $<TARGET_FILE:json_check>)
  set_tests_properties(mpi/e2e_predict PROPERTIES TIMEOUT 300 PROCESSORS 2)
  set_tests_properties(mpi/e2e_doctor mpi/e2e_json PROPERTIES TIMEOUT 300 PROCESSORS 2)
endif()
# A sanitizer's library would have to be loaded first.
if(TARGET cnn_dist_library AND NOT CNN_SANITIZE)
  add_test(NAME mpi/e2e_library COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e_library.sh $<TARGET_FILE:cnn_dist>
                                        ${CMAKE_BINARY_DIR} ${CMAKE_C_COMPILER})
  set_tests_properties(mpi/e2e_library PROPERTIES TIMEOUT 300 PROCESSORS 2)
endif()
