# install() and find_package(pilqr). Fetched dependencies are not installed along, so an install
# needs the packages of the system.
if(PILQR_FETCHED_FOR_LIBRARY)
  message(STATUS "pilqr: no install target, these were fetched: ${PILQR_FETCHED_FOR_LIBRARY}")
  return()
endif()
include(CMakePackageConfigHelpers)
set(pilqr_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/pilqr")

install(TARGETS pilqr EXPORT pilqrTargets)
# Apart from the library: these need Box2D where they were built with it.
install(TARGETS pilqr_tasks EXPORT pilqr_tasksTargets)
if(PILQR_HAS_BOX2D)
  install(TARGETS pilqr_contact EXPORT pilqr_tasksTargets)
endif()
install(EXPORT pilqr_tasksTargets NAMESPACE pilqr:: DESTINATION "${pilqr_package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/pilqr" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(PILQR_BUILD_COMMAND)
  install(TARGETS pilqr_command)
endif()
# The name that a Debian package has for it.
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" RENAME copyright)
# Each optional component has a file of targets of its own, which only who asks for it reads.
foreach(component tbb mpi)
  if(TARGET pilqr_${component})
    install(TARGETS pilqr_${component} EXPORT pilqr_${component}Targets)
    install(EXPORT pilqr_${component}Targets NAMESPACE pilqr:: DESTINATION "${pilqr_package_dir}")
  endif()
endforeach()
install(EXPORT pilqrTargets NAMESPACE pilqr:: DESTINATION "${pilqr_package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/pilqrConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/pilqrConfig.cmake"
                              INSTALL_DESTINATION "${pilqr_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/pilqrConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/pilqrConfig.cmake"
              "${PROJECT_BINARY_DIR}/pilqrConfigVersion.cmake"
        DESTINATION "${pilqr_package_dir}")

# pkg-config, for the library itself. The definition is that of core/types.hpp.
file(RELATIVE_PATH PILQR_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" PILQR_PC_PREFIX "${PILQR_PC_PREFIX}")
set(PILQR_PC_CFLAGS "")
get_target_property(definitions pilqr INTERFACE_COMPILE_DEFINITIONS)
foreach(definition IN LISTS definitions)
  if(definition)
    string(APPEND PILQR_PC_CFLAGS " -D${definition}")
  endif()
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/cmake/pilqr.pc.in" "${PROJECT_BINARY_DIR}/pilqr.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/pilqr.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(PROJECT_IS_TOP_LEVEL)
  include(PilqrPackage)
endif()
