#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# readme.sh SOURCE COMPILER HELLO
#
# Every C++ block of every README compiles. The first of README.md is
# examples/hello/hello.cpp, and the text block after it is what HELLO, that
# program, prints.
set -euo pipefail
source=$1 compiler=$2 hello=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# blocks FILE LANGUAGE PREFIX: each block of that language into PREFIX1.cpp, PREFIX2.cpp...
blocks() {
    awk -v fence="\`\`\`$2" -v prefix="$3" '
        !inside && $0 == fence { inside = 1; n += 1; file = prefix n ".cpp"; printf "" >file; next }
        inside && $0 == "```" { inside = 0; next }
        inside { print >file }' "$1"
}

while read -r page; do
    name=${page#"$source"/}
    blocks "$page" cpp "$work/${name//\//-}-"
done < <(find "$source" -name '*.md' -not -path '*/node_modules/*' -not -path "$source/build*")
for block in "$work"/*.cpp; do
    echo "Compiling ${block##*/}"
    "$compiler" -std=c++20 -Wall -Wextra -Werror -I "$source/include" -fsyntax-only "$block"
done

echo "Comparing the first program with examples/hello/hello.cpp, and its output"
diff <(grep -v SPDX "$source/examples/hello/hello.cpp") "$work/README.md-1.cpp"
blocks "$source/README.md" text "$work/output-"
# A room's epoch is random.
same_epoch() { sed -E 's/"epoch":"[0-9a-f]{16}"/"epoch":"..."/'; }
diff <("$hello" | same_epoch) <(same_epoch <"$work/output-1.cpp")
