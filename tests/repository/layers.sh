#!/bin/sh
# layers.sh <root>: prints what breaks the rules of the house in <root>/include/mlot, and fails if anything does.
# - A file includes only files of its own layer or of a lower one; interop and the umbrellas are included by nobody.
# - Includes are written from include/, files lie in one folder below mlot, a .hpp never needs a .cuh.
# - A backend's names stand in its own namespace, and mlot::on holds the devices' alone.
# - Every namespace is that of the instruction set, and what asks for _OPENMP stands in one of MLOT_THREADS within it.
# - losses.hpp includes every loss and names no device; an umbrella includes it, and all files of its devices (of scalar/,
#   the versions of contracts).
# - No name is one that a platform's headers make a macro of, min and max among them.
# - Nothing throws, prints, ends the program or allocates.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/layers.awk
cd "$1/include"
[ -d mlot ]

report=$(find mlot -type f \( -name '*.hpp' -o -name '*.cuh' \) | sort | xargs awk -f "$rules" /dev/null)
if [ -n "$report" ]; then
  printf '%s\n' "$report"
  exit 1
fi
