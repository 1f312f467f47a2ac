#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers.sh SOURCE HEADER...
#
# The headers, in the order given, include nothing but headers above them and
# the standard library; and no header is left out.
set -euo pipefail
cd "$1"
shift

failed=0
complain() {
    echo "$*"
    failed=1
}

declare -A above
for header; do
    while read -r included; do
        case $included in
            '"roomcast/'*'"')
                included=${included//\"/}
                [ -n "${above[include/$included]:-}" ] ||
                    complain "$header includes $included, which is not above it in CMakeLists.txt"
                ;;
            '<'*[/.]* | '"'*) complain "$header includes $included, which is not the standard library's" ;;
        esac
    done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*(["<][^">]*[">]).*/\1/p' "$header")
    above[$header]=yes
done
while read -r header; do
    [ -n "${above[$header]:-}" ] || complain "$header is not in the list of CMakeLists.txt"
done < <(find include -type f | sort)
exit $failed
