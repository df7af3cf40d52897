# Whole runs of the program on several ranks.
if(TARGET cnn_dist)
  foreach(name e2e_resume e2e_ranks)
    add_test(NAME mpi/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh $<TARGET_FILE:cnn_dist>)
    set_tests_properties(mpi/${name} PROPERTIES TIMEOUT 900 PROCESSORS 2)
  endforeach()
endif()
