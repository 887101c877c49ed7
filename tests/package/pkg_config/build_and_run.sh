#!/bin/sh
# build_and_run.sh <compiler> <folder to work in> <expected version>
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$2"
pkg-config --exact-version="$3" mlot
# shellcheck disable=SC2046
"$1" -std=c++20 $(pkg-config --cflags mlot) "$here/main.cpp" -o "$2/program"
"$2/program"
