#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# version.sh SOURCE VERSION: config.hpp says the version that CMake says.
set -euo pipefail
config=$1/include/roomcast/config.hpp
IFS=. read -r major minor patch <<<"$2"
for line in "VERSION_MAJOR $major" "VERSION_MINOR $minor" "VERSION_PATCH $patch" "VERSION \"$2\""; do
    grep -qxF "#define ROOMCAST_$line" "$config" || { echo "config.hpp does not define ROOMCAST_$line"; exit 1; }
done
