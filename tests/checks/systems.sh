#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# systems.sh SOURCE: on which systems packages are installed; the others hear
# so in one line before anything happens.
set -euo pipefail
. "$1/cmake/packages.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect PATTERN OS-RELEASE-LINES [DEBIAN-VERSION]: what check_system says.
failed=0
expect() {
    local said
    printf '%s\n' "$2" >"$work/os-release"
    rm -f "$work/debian_version"
    [ -z "${3:-}" ] || echo "$3" >"$work/debian_version"
    said=$(missing=(g++ cmake) ROOMCAST_OS_RELEASE=$work/os-release ROOMCAST_DEBIAN_VERSION=$work/debian_version
        check_system 2>&1 && echo fine) || true
    # shellcheck disable=SC2053
    if [[ $said != $1 || $said == *$'\n'* ]]; then
        echo "expected '$1', heard '$said' for: ${2//$'\n'/ }"
        failed=1
    fi
}

old='* is too old: Debian 12, Ubuntu 24.04 or newer is needed*'
expect fine $'ID=debian\nVERSION_ID="12"'
expect fine $'ID=debian\nVERSION_ID="13"'
expect fine $'ID=debian\nPRETTY_NAME="Debian GNU/Linux sid"'
expect "$old" $'ID=debian\nVERSION_ID="11"'
expect fine $'ID=ubuntu\nVERSION_ID="24.04"'
expect fine $'ID=ubuntu\nVERSION_ID="26.04"'
expect "$old" $'ID=ubuntu\nVERSION_ID="22.04"'
expect fine $'ID=linuxmint\nVERSION_ID="22"' trixie/sid
expect "$old" $'ID=linuxmint\nVERSION_ID="21.3"' bookworm/sid
expect fine $'ID=raspbian\nVERSION_ID="12"' 12.5
expect "$old" $'ID=raspbian\nVERSION_ID="11"' 11.9
expect "Fedora 40 is not Debian's kin:*g++ cmake*" $'ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora 40"'
exit $failed
