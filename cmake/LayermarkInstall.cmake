# What `cmake --install` puts in place besides the program, whose rule stands in cli/: the man page, the
# scripts that draw, the schema of the record, the licence. A part that is not there yet is left out.
set(LAYERMARK_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR}/layermark)

file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
if(man_pages)
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/plots)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/plots/ DESTINATION ${LAYERMARK_INSTALL_DATADIR}/plots
    PATTERN "__pycache__" EXCLUDE
    PATTERN "*_test.py" EXCLUDE
    PATTERN "CMakeLists.txt" EXCLUDE)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/results/schema.json)
  install(FILES ${PROJECT_SOURCE_DIR}/results/schema.json DESTINATION ${LAYERMARK_INSTALL_DATADIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
