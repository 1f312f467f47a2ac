# SPDX-License-Identifier: MIT
# roomcast_websocketpp: websocketpp for C++20. Three of its headers write
# template arguments after the names of constructors and destructors, which
# C++20 took out of the language and GCC 11 to 13 refuse. Where a compile check
# shows the need, corrected copies of the three are written to the build tree
# and found first.

function(roomcast_check_websocketpp result)
    try_compile(${result} "${PROJECT_BINARY_DIR}/websocketpp_check"
        SOURCES "${PROJECT_SOURCE_DIR}/cmake/websocketpp_check.cpp"
        CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${ARGN}"
        CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
        OUTPUT_VARIABLE output)
    set(${result} "${${result}}" CACHE INTERNAL "")
    set(roomcast_websocketpp_output "${output}" PARENT_SCOPE)
endfunction()

function(roomcast_correct_websocketpp header written meant)
    file(READ "${roomcast_websocketpp_dir}/websocketpp/${header}" text)
    string(REPLACE "${written}" "${meant}" text "${text}")
    file(CONFIGURE OUTPUT "${roomcast_websocketpp_corrected}/websocketpp/${header}" CONTENT "${text}" @ONLY)
endfunction()

add_library(roomcast_websocketpp INTERFACE)
target_link_libraries(roomcast_websocketpp INTERFACE Threads::Threads)

if(NOT DEFINED ROOMCAST_WEBSOCKETPP_AS_IT_IS)
    roomcast_check_websocketpp(ROOMCAST_WEBSOCKETPP_AS_IT_IS "${roomcast_websocketpp_dir}")
endif()
if(NOT ROOMCAST_WEBSOCKETPP_AS_IT_IS)
    set(roomcast_websocketpp_corrected "${PROJECT_BINARY_DIR}/websocketpp")
    roomcast_correct_websocketpp(logger/basic.hpp "basic<concurrency,names>(" "basic(")
    roomcast_correct_websocketpp(roles/server_endpoint.hpp "server<config>(" "server(")
    roomcast_correct_websocketpp(endpoint.hpp "~endpoint<connection,config>(" "~endpoint(")
    target_include_directories(roomcast_websocketpp SYSTEM INTERFACE "${roomcast_websocketpp_corrected}")

    if(NOT ROOMCAST_WEBSOCKETPP_CORRECTED)
        roomcast_check_websocketpp(ROOMCAST_WEBSOCKETPP_CORRECTED
            "${roomcast_websocketpp_corrected}" "${roomcast_websocketpp_dir}")
    endif()
    if(NOT ROOMCAST_WEBSOCKETPP_CORRECTED)
        message(FATAL_ERROR
            "The websocketpp in ${roomcast_websocketpp_dir} does not compile with this compiler in C++20, "
            "also not after its three known faults are corrected:\n${roomcast_websocketpp_output}")
    endif()
    message(STATUS "websocketpp: three headers corrected for C++20")
endif()
target_include_directories(roomcast_websocketpp SYSTEM INTERFACE "${roomcast_websocketpp_dir}")
