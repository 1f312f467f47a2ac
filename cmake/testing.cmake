# SPDX-License-Identifier: MIT
# roomcast_add_test(<name> SOURCES <file>... [LINK <target>...] [TIMEOUT <seconds>] [THREADED])
#
# A Catch2 program; each of its test cases is one test of ctest, called
# "<name>/<test case>" and labelled <name>. THREADED: gets two processors.
# Its files are compiled together: what they include takes far longer than they do.

set(roomcast_variant "")
if(ROOMCAST_SANITIZE STREQUAL "thread")
    set(roomcast_variant tsan)
elseif(ROOMCAST_SANITIZE MATCHES "fuzzer")  # libFuzzer's own programs alone
    set(roomcast_variant fuzz)
elseif(ROOMCAST_SANITIZE)
    set(roomcast_variant asan)
endif()
if(roomcast_variant)
    set(roomcast_test_prefix "${roomcast_variant}/")
endif()

function(roomcast_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "THREADED" "TIMEOUT" "SOURCES;LINK")
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 14)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_precompile_headers(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/catch.hpp")
    # GCC 12 sees accesses out of bounds where a std::string meets a long literal, and
    # a value in an empty std::optional.
    target_compile_options(${name} PRIVATE
        $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overread -Wno-array-bounds -Wno-maybe-uninitialized>)
    target_link_libraries(${name} PRIVATE roomcast_developer roomcast_catch Threads::Threads ${arg_LINK})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    # A name that Catch2 reads otherwise than ctest, as one with ";", runs nothing and ends with 0.
    set(properties LABELS ${name} TIMEOUT ${arg_TIMEOUT} FAIL_REGULAR_EXPRESSION "No tests ran")
    if(arg_THREADED)
        list(APPEND properties PROCESSORS 2)
    endif()
    catch_discover_tests(${name}
        TEST_PREFIX "${roomcast_test_prefix}${name}/"
        EXTRA_ARGS --warn NoAssertions
        PROPERTIES ${properties})
endfunction()
