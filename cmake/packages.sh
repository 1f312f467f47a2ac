# SPDX-License-Identifier: MIT
# Sourced by examples/run and tests/run: sees to it that commands and Debian
# packages are there, on Debian 12, Ubuntu 24.04, what derives from them, and
# newer. Where all is there already it changes nothing and needs no privilege.
# ROOMCAST_PACKAGES=installed: nothing is looked for or installed.

missing=()

stop() {
    printf '%s\n' "$*" >&2
    exit 1
}

# need_command COMMAND PACKAGE
need_command() {
    command -v "$1" >/dev/null || missing+=("$2")
}

# need_package PACKAGE...
need_package() {
    local package
    for package; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
}

# What the server is built with.
need_build() {
    need_command g++ g++
    need_command cmake cmake
    need_command ninja ninja-build
    need_package libasio-dev libwebsocketpp-dev nlohmann-json3-dev libspdlog-dev libcli11-dev
}

# os_release NAME: what /etc/os-release says of it.
os_release() {
    # shellcheck disable=SC1090
    (. "${ROOMCAST_OS_RELEASE:-/etc/os-release}" 2>/dev/null && printf '%s' "${!1-}") || true
}

# Whether this system's own GCC and CMake are new enough (12 and 3.23); where
# they are not, or its packages are of another kind, one line says so.
check_system() {
    local name release version
    name=$(os_release PRETTY_NAME)
    release=$(os_release VERSION_ID)
    case $(os_release ID) in
        ubuntu) version=$((${release%%.*} >= 24 ? 12 : 11)) ;;
        debian) version=${release:-12} ;;  # testing and unstable have no number
        *) version=$(cat "${ROOMCAST_DEBIAN_VERSION:-/etc/debian_version}" 2>/dev/null || echo none) ;;
    esac
    case $version in
        none) stop "${name:-This system} is not Debian's kin: install what answers there to ${missing[*]}" \
            "(GCC 12, CMake 3.23 or newer), then run this again with ROOMCAST_PACKAGES=installed" ;;
        [0-9]*) [ "${version%%.*}" -ge 12 ] ;;
        bookworm/* | bullseye/* | buster/*) false ;;  # Ubuntu's kin before 24.04
    esac || stop "${name:-This system} is too old: Debian 12, Ubuntu 24.04 or newer is needed (GCC 12, CMake 3.23)"
}

# Names and installs what is missing.
install_missing() {
    [ "${ROOMCAST_PACKAGES:-}" != installed ] || return 0
    check_system
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || stop "As root, install: apt-get install --no-install-recommends ${missing[*]}"
        root=(sudo)
    fi
    echo "Installing: ${missing[*]}"
    "${root[@]}" apt-get update -qq </dev/null || echo "apt-get update failed; going on with the package lists there are"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null
}
