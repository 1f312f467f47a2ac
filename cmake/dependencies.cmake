# SPDX-License-Identifier: MIT
# What the examples, tests and benchmarks need; the library itself needs
# nothing. An installed package comes first; what is missing is downloaded, at
# one fixed commit each, only where ROOMCAST_FETCH allows it.

option(ROOMCAST_FETCH "Download dependencies that are not installed" OFF)

find_package(Threads REQUIRED)

function(roomcast_fetch name repository commit)
    if(NOT ROOMCAST_FETCH)
        message(FATAL_ERROR
            "${name} is not installed (or too old). ./examples/run and ./tests/run install all that is "
            "needed on Debian and Ubuntu; or let CMake download it: -DROOMCAST_FETCH=ON")
    endif()
    include(FetchContent)
    # ARGN: SOURCE_SUBDIR with no CMakeLists.txt there, for what is headers only.
    FetchContent_Declare(${name} GIT_REPOSITORY "https://github.com/${repository}" GIT_TAG ${commit}
        GIT_SUBMODULES "" ${ARGN})
    FetchContent_MakeAvailable(${name})
    # Its headers get no warnings of ours, as those of an installed package.
    if(TARGET ${name})
        get_target_property(includes ${name} INTERFACE_INCLUDE_DIRECTORIES)
        set_target_properties(${name} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${includes}")
    endif()
    string(TOLOWER ${name} lower)
    set(roomcast_fetched_dir "${${lower}_SOURCE_DIR}" PARENT_SCOPE)
endfunction()

macro(roomcast_need_json)
    find_package(nlohmann_json 3.11 QUIET)
    if(NOT TARGET nlohmann_json::nlohmann_json)
        roomcast_fetch(nlohmann_json nlohmann/json 9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03)  # 3.11.3
    endif()
endmacro()

macro(roomcast_need_spdlog)
    find_package(spdlog 1.10 QUIET)
    if(NOT TARGET spdlog::spdlog)
        roomcast_fetch(spdlog gabime/spdlog 7c02e204c92545f869e2f04edaab1f19fe8b19fd)  # 1.13.0
    endif()
endmacro()

macro(roomcast_need_cli11)
    find_package(CLI11 2.1 QUIET)
    if(NOT TARGET CLI11::CLI11)
        roomcast_fetch(CLI11 CLIUtils/CLI11 6c7b07a878ad834957b98d0f9ce1dbe0cb204fc9)  # 2.4.2
    endif()
endmacro()

# Standalone Asio has no CMake package of its own.
macro(roomcast_need_asio)
    if(NOT TARGET roomcast_asio)
        find_path(ROOMCAST_ASIO_INCLUDE_DIR asio.hpp DOC "Where asio.hpp is")
        if(ROOMCAST_ASIO_INCLUDE_DIR)
            set(roomcast_asio_dir "${ROOMCAST_ASIO_INCLUDE_DIR}")
        else()
            roomcast_fetch(asio chriskohlhoff/asio 12e0ce9e0500bf0f247dbd1ae894272656456079  # 1.30.2
                SOURCE_SUBDIR headers_only)
            set(roomcast_asio_dir "${roomcast_fetched_dir}/asio/include")
        endif()
        add_library(roomcast_asio INTERFACE)
        target_include_directories(roomcast_asio SYSTEM INTERFACE "${roomcast_asio_dir}")
        target_compile_definitions(roomcast_asio INTERFACE ASIO_STANDALONE)
        target_link_libraries(roomcast_asio INTERFACE Threads::Threads)

        file(STRINGS "${roomcast_asio_dir}/asio/version.hpp" roomcast_asio_version
            REGEX "^#define ASIO_VERSION [0-9]+")
        string(REGEX REPLACE "^#define ASIO_VERSION ([0-9]+).*" "\\1"
            roomcast_asio_version "${roomcast_asio_version}")
    endif()
endmacro()

# websocketpp's own Asio transport, which only benchmarks use, names io_service.
macro(roomcast_need_asio_with_io_service)
    roomcast_need_asio()
    if(roomcast_asio_version GREATER_EQUAL 103300)
        message(FATAL_ERROR
            "The Asio in ${roomcast_asio_dir} is 1.33 or newer, which has no io_service any more; the "
            "Asio transport of websocketpp 0.8.2 cannot be built with it. The server can; the benchmarks "
            "that compare it with that transport need an older Asio: set ROOMCAST_ASIO_INCLUDE_DIR to its "
            "include directory.")
    endif()
endmacro()

macro(roomcast_need_websocketpp)
    if(NOT TARGET roomcast_websocketpp)
        find_package(websocketpp 0.8.2 QUIET)
        if(websocketpp_FOUND)
            set(roomcast_websocketpp_dir "${WEBSOCKETPP_INCLUDE_DIR}")
        else()
            roomcast_fetch(websocketpp zaphoyd/websocketpp 56123c87598f8b1dd471be83ca841ceae07f95ba  # 0.8.2
                SOURCE_SUBDIR headers_only)
            set(roomcast_websocketpp_dir "${roomcast_fetched_dir}")
        endif()
        include("${PROJECT_SOURCE_DIR}/cmake/websocketpp.cmake")
    endif()
endmacro()

macro(roomcast_need_rapidcheck)
    find_package(rapidcheck QUIET)
    if(NOT TARGET rapidcheck)
        roomcast_fetch(rapidcheck emil-e/rapidcheck ff6af6fc683159deb51c543b065eba14dfcf329b)  # it has no releases
    endif()
endmacro()

macro(roomcast_need_benchmark)
    find_package(benchmark 1.7 QUIET)
    if(NOT TARGET benchmark::benchmark)
        set(BENCHMARK_ENABLE_TESTING OFF)
        set(BENCHMARK_ENABLE_INSTALL OFF)
        roomcast_fetch(benchmark google/benchmark 344117638c8ff7e239044fd0fa7085839fc03021)  # 1.8.3
    endif()
endmacro()

# roomcast_catch: Catch2 of either major version, with its main function, which
# roomcast_catch_library leaves to others.
macro(roomcast_need_catch)
    find_package(Catch2 QUIET)
    if(NOT TARGET Catch2::Catch2 OR Catch2_VERSION VERSION_LESS 2.13)
        roomcast_fetch(Catch2 catchorg/Catch2 fa43b77429ba76c462b1898d6cd2f2d7a9416b14)  # 3.7.1
        list(APPEND CMAKE_MODULE_PATH "${roomcast_fetched_dir}/extras")
    endif()
    include(Catch)
    if(TARGET Catch2::Catch2WithMain)
        add_library(roomcast_catch INTERFACE)
        target_link_libraries(roomcast_catch INTERFACE Catch2::Catch2WithMain)
    else()
        file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/catch_main.cpp"
            CONTENT "#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n")
        add_library(roomcast_catch STATIC "${PROJECT_BINARY_DIR}/catch_main.cpp")
        target_compile_features(roomcast_catch PRIVATE cxx_std_20)
        target_link_libraries(roomcast_catch PUBLIC Catch2::Catch2)
    endif()
    get_target_property(roomcast_catch_kind Catch2::Catch2 TYPE)
    if(roomcast_catch_kind STREQUAL "INTERFACE_LIBRARY")  # 2: all of it is a header
        file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/catch_library.cpp"
            CONTENT "#define CATCH_CONFIG_RUNNER\n#include <catch2/catch.hpp>\n")
        add_library(roomcast_catch_library STATIC EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/catch_library.cpp")
        target_compile_features(roomcast_catch_library PRIVATE cxx_std_20)
        target_link_libraries(roomcast_catch_library PUBLIC Catch2::Catch2)
    else()
        add_library(roomcast_catch_library INTERFACE)
        target_link_libraries(roomcast_catch_library INTERFACE Catch2::Catch2)
    endif()
endmacro()
