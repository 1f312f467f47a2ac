# SPDX-License-Identifier: MIT
# What the project's own programs are compiled with. Never exported: a user of
# the library gets none of it.

option(ROOMCAST_WERROR "Warnings of the project's own programs are errors" OFF)
set(ROOMCAST_SANITIZE "" CACHE STRING
    "Sanitizers of the project's own programs: thread, address,undefined, or fuzzer-no-link,address,undefined")

add_library(roomcast_developer INTERFACE)
target_link_libraries(roomcast_developer INTERFACE roomcast::roomcast)
target_compile_options(roomcast_developer INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${ROOMCAST_WERROR}>:-Werror>)

if(ROOMCAST_SANITIZE)
    target_compile_options(roomcast_developer INTERFACE
        -fsanitize=${ROOMCAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(roomcast_developer INTERFACE -fsanitize=${ROOMCAST_SANITIZE})
    # The check of vtables opens a pipe, and calls a process that has used up its
    # descriptors broken.
    if(ROOMCAST_SANITIZE MATCHES "undefined")
        target_compile_options(roomcast_developer INTERFACE -fno-sanitize=vptr)
    endif()
endif()
