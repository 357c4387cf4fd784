# What `cmake --install` puts in place besides the program, whose rule stands in cli/: the man page, the
# scripts that draw, the licence (the schema's rule stands in results/). A part that is not there yet is left out.
set(LAYERMARK_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR}/layermark)

file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
if(man_pages)
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/plots)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/plots/ DESTINATION ${LAYERMARK_INSTALL_DATADIR}/plots
    PATTERN "__pycache__" EXCLUDE
    PATTERN "tests" EXCLUDE
    PATTERN "CMakeLists.txt" EXCLUDE)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
