# The installed package first, a pinned version otherwise.
include(FetchContent)
set(PILQR_FETCHED "")

# pilqr_dependency(NAME <package> TARGET <target> GIT <url> TAG <tag> [VERSION <minimum>])
macro(pilqr_dependency)
  cmake_parse_arguments(dep "" "NAME;TARGET;GIT;TAG;VERSION" "" ${ARGN})
  if(NOT TARGET ${dep_TARGET})
    find_package(${dep_NAME} ${dep_VERSION} QUIET)
  endif()
  if(NOT TARGET ${dep_TARGET})
    message(STATUS "pilqr: ${dep_NAME} is not installed, fetching ${dep_TAG}")
    FetchContent_Declare(${dep_NAME} GIT_REPOSITORY ${dep_GIT} GIT_TAG ${dep_TAG} GIT_SHALLOW TRUE
                                     SYSTEM)
    FetchContent_MakeAvailable(${dep_NAME})
    list(APPEND PILQR_FETCHED ${dep_NAME})
  endif()
endmacro()

pilqr_dependency(NAME Eigen3 TARGET Eigen3::Eigen VERSION 3.4
                 GIT https://gitlab.com/libeigen/eigen.git TAG 3.4.0)
pilqr_dependency(NAME fmt TARGET fmt::fmt VERSION 9
                 GIT https://github.com/fmtlib/fmt.git TAG 9.1.0)
# What only the library's sources include: nobody who uses an installed library needs these.
set(fetched_for_headers "${PILQR_FETCHED}")
pilqr_dependency(NAME nlohmann_json TARGET nlohmann_json::nlohmann_json VERSION 3.10
                 GIT https://github.com/nlohmann/json.git TAG v3.11.2)

# pilqr_header(VARIABLE header subfolder name url tag): the folder of a header without a CMake package.
macro(pilqr_header variable header subfolder name url tag)
  find_path(${variable} NAMES ${header})
  mark_as_advanced(${variable})
  if(NOT ${variable})
    message(STATUS "pilqr: ${name} is not installed, fetching ${tag}")
    FetchContent_Declare(${name} GIT_REPOSITORY ${url} GIT_TAG ${tag} GIT_SHALLOW TRUE
                                 SOURCE_SUBDIR none)
    FetchContent_MakeAvailable(${name})
    FetchContent_GetProperties(${name} SOURCE_DIR ${variable})
    string(APPEND ${variable} "${subfolder}")
  endif()
endmacro()
pilqr_header(PILQR_RANDOM123_INCLUDE_DIR Random123/philox.h "/include" random123
             https://github.com/DEShawResearch/random123.git v1.14.0)
pilqr_header(PILQR_XXHASH_INCLUDE_DIR xxhash.h "" xxhash
             https://github.com/Cyan4973/xxHash.git v0.8.1)
set(PILQR_FETCHED "${fetched_for_headers}")

set(PILQR_HAS_BOX2D OFF)
if(PILQR_WITH_BOX2D)
  if(NOT TARGET box2d::box2d)
    find_package(box2d 2.4 QUIET)
  endif()
  if(NOT TARGET box2d::box2d AND PILQR_WITH_BOX2D STREQUAL "FETCH")
    set(BOX2D_BUILD_UNIT_TESTS OFF CACHE BOOL "")
    set(BOX2D_BUILD_TESTBED OFF CACHE BOOL "")
    pilqr_dependency(NAME box2d TARGET box2d
                     GIT https://github.com/erincatto/box2d.git TAG v2.4.1)
    add_library(box2d::box2d ALIAS box2d)
  endif()
  if(TARGET box2d::box2d)
    set(PILQR_HAS_BOX2D ON)
  else()
    message(STATUS "pilqr: Box2D is not installed, the systems with contact are left out")
  endif()
endif()

set(PILQR_FETCHED_FOR_LIBRARY "${PILQR_FETCHED}") # an install needs it to be empty

set(PILQR_HAS_TBB OFF)
if(PILQR_WITH_TBB)
  find_package(TBB QUIET)
  if(TARGET TBB::tbb)
    set(PILQR_HAS_TBB ON)
  else()
    message(STATUS "pilqr: oneTBB is not installed, the command runs on one thread")
  endif()
endif()

set(PILQR_HAS_MPI OFF)
if(PILQR_WITH_MPI)
  set(MPI_CXX_SKIP_MPICXX ON) # the C interface is all that is used
  find_package(MPI QUIET COMPONENTS CXX)
  if(MPI_CXX_FOUND) # FindMPI makes the target even where there is no MPI
    set(PILQR_HAS_MPI ON)
  else()
    message(STATUS "pilqr: MPI is not installed, no pilqr::mpi, no tests of it")
  endif()
endif()

if(PILQR_BUILD_COMMAND)
  pilqr_dependency(NAME CLI11 TARGET CLI11::CLI11 VERSION 2.1
                   GIT https://github.com/CLIUtils/CLI11.git TAG v2.1.2)
  pilqr_dependency(NAME tomlplusplus TARGET tomlplusplus::tomlplusplus VERSION 3.0
                   GIT https://github.com/marzer/tomlplusplus.git TAG v3.3.0)
endif()
if(PILQR_BUILD_TESTS)
  set(INSTALL_GTEST OFF CACHE BOOL "")
  pilqr_dependency(NAME GTest TARGET GTest::gtest_main
                   GIT https://github.com/google/googletest.git TAG release-1.12.1)
endif()
if(PILQR_BUILD_BENCHMARKS)
  set(BENCHMARK_ENABLE_TESTING OFF CACHE BOOL "")
  set(BENCHMARK_ENABLE_INSTALL OFF CACHE BOOL "")
  pilqr_dependency(NAME benchmark TARGET benchmark::benchmark
                   GIT https://github.com/google/benchmark.git TAG v1.7.1)
endif()
