#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# instructions.sh PROGRAM [USERS [ROOMS]]: rows of the table, instructions for
# each operation, as callgrind counts them below the measured functions.
set -euo pipefail
program=$1 users=${2:-20000} rooms=${3:-200}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" --users "$users" --rooms "$rooms" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
callgrind_annotate --inclusive=yes --threshold=100 "$work/out" >"$work/costs"

# instructions REGISTRY OPERATION
instructions() {
    awk -v name="Measured<bench::$1>::$2(" 'index($0, name) { gsub(",", "", $1); print $1; exit }' "$work/costs"
}

for operation in join leave migrate kick disconnect; do
    ours=$(instructions Roomcast "$operation")
    theirs=$(instructions NestedMaps "$operation")
    if [ -z "$ours" ] || [ -z "$theirs" ]; then
        echo "callgrind saw no $operation" >&2
        exit 1
    fi
    awk -v what="$operation" -v ours="$ours" -v theirs="$theirs" -v n="$users" -v rooms="$rooms" 'BEGIN {
        printf "| %s, instructions | %d users in %d rooms | nested maps | %.0f | %.0f | | %.2f |\n",
            what, 2 * n, rooms, ours / n, theirs / n, ours / theirs }'
done
