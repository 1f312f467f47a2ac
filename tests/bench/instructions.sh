#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# instructions.sh PROGRAM [USERS [ROOMS]]: rows of the table, instructions for
# each operation, as callgrind counts them below the measured functions, and for
# a join while more and more users are there (up to MOST, 10,000,000).
set -euo pipefail
program=$1 users=${2:-20000} rooms=${3:-200} most=${MOST:-10000000}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" --users "$users" --rooms "$rooms" \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
callgrind_annotate --inclusive=yes --threshold=100 "$work/out" >"$work/costs"

# instructions REGISTRY OPERATION
instructions() {
    awk -v name="Measured<bench::$1>::$2(" 'index($0, name) { gsub(",", "", $1); print $1; exit }' "$work/costs"
}

declare -A bounds=([join]=0.65 [leave]=0.45 [migrate]=0.35 [kick]=0.45)
for operation in join leave migrate kick disconnect; do
    ours=$(instructions Roomcast "$operation")
    theirs=$(instructions NestedMaps "$operation")
    if [ -z "$ours" ] || [ -z "$theirs" ]; then
        echo "callgrind saw no $operation" >&2
        exit 1
    fi
    awk -v what="$operation" -v ours="$ours" -v theirs="$theirs" -v n="$users" -v rooms="$rooms" \
        -v most="${bounds[$operation]:-}" 'BEGIN {
        printf "| %s, instructions | %d users in %d rooms | nested maps | %.0f | %.0f | %s | %.2f |\n",
            what, 2 * n, rooms, ours / n, theirs / n, most, ours / theirs }'
done

# 100 in each room. Only the joins that are counted run slowly.
first=
for ((count = 1000; count <= most; count *= count == 1000 ? 100 : 10)); do
    valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/out" \
        "$program" --users "$count" --rooms $((count / 100)) --newcomers 1000 >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    callgrind_annotate --inclusive=yes --threshold=100 "$work/out" >"$work/costs"
    joins=$(instructions Roomcast join)
    [ -n "$joins" ] || { echo "callgrind saw no join of $count" >&2; exit 1; }
    first=${first:-$joins}
    awk -v ours="$joins" -v first="$first" -v users="$count" 'BEGIN {
        printf "| join, instructions | %d users in %d rooms | itself with 1000 | %.0f | %.0f | 1.15 | %.2f |\n",
            users, users / 100, ours / 1000, first / 1000, ours / first }'
done
