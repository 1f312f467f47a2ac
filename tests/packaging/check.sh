#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh installed|subdirectory|copied SOURCE COMPILER HELLO HEADER...
#
# A consumer of each kind compiles hello world, and prints what HELLO, the
# program that this build made of it, prints.
set -euo pipefail
export CMAKE_GENERATOR=Ninja
kind=$1 source=$2 compiler=$3 hello=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

consume() {
    cmake -S "$source/tests/packaging/consumer" -B "$work/consumer" -DCMAKE_CXX_COMPILER="$compiler" \
        -DPROGRAM="$source/examples/hello/hello.cpp" "$@"
    cmake --build "$work/consumer"
    cp "$work/consumer/consumer" "$work/program"
}

case $kind in
    installed)
        cmake -S "$source" -B "$work/build" -DCMAKE_CXX_COMPILER="$compiler" \
            -DROOMCAST_BUILD_EXAMPLES=OFF -DROOMCAST_BUILD_TESTS=OFF
        cmake --install "$work/build" --prefix "$work/prefix"
        diff <(printf '%s\n' "$@" | sort) <(cd "$work/prefix" && find include -type f | sort)
        consume -DCMAKE_PREFIX_PATH="$work/prefix"
        ;;
    subdirectory)
        consume -DROOMCAST_SOURCE="$source"
        ;;
    copied)
        cp -r "$source/include" "$work/include"
        "$compiler" -std=c++20 -I "$work/include" "$source/examples/hello/hello.cpp" -o "$work/program"
        ;;
esac

# A room's epoch is random.
same_epoch() { sed -E 's/"epoch":"[0-9a-f]{16}"/"epoch":"..."/'; }
diff <("$hello" | same_epoch) <("$work/program" | same_epoch)
