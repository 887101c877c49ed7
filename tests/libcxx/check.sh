#!/bin/sh
# check.sh <clang++> <root> <include directory>...: whether the sources of mlot_cli compile with libc++. The front end alone.
set -eu
compiler=$1 root=$2
shift 2
if ! printf '#include <version>\nint main() {}\n' | "$compiler" -stdlib=libc++ -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
  echo "not compiled: $compiler finds no libc++ (Debian: libc++-dev)"
  exit 77
fi
includes=
for folder in "$@"; do  # the system's own stays behind libc++'s
  [ "$folder" = /usr/include ] || includes="$includes -isystem $folder"
done
for source in "$root"/examples/mlot_cli/*.cpp; do
  # shellcheck disable=SC2086
  "$compiler" -stdlib=libc++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -DMLOT_CLI_SIMD=0 -I"$root/include" -I"$root/examples" \
    $includes "$source"
done
