#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clean.sh SOURCE: no file names a machine's own paths or a package registry,
# and every source file says its licence.
set -euo pipefail
cd "$1"

files() {
    find . -type d \( -name .git -o -name .cache -o -name 'build' -o -name 'build-*' -o -name node_modules \) \
        -prune -o -type f "$@" -print0
}

failed=0
if files | xargs -0 grep -InE '(^|[^[:alnum:]._-])/(root|home|work)/[[:alnum:]]|registry\.[[:alnum:]-]+\.(org|com)|(deb|snapshot|security)\.debian\.org|archive\.ubuntu\.com|deb\.nodesource'; then
    failed=1
fi
if files \( -name '*.[hc]pp' -o -name '*.cmake' -o -name CMakeLists.txt -o -name '*.sh' -o -name '*.mjs' -o -name run \) |
    xargs -0 grep -L 'SPDX-License-Identifier: MIT' | grep .; then
    echo "have no licence line"
    failed=1
fi
exit $failed
