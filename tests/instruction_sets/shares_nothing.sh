#!/bin/sh
# shares_nothing.sh <old object> <new object>: they have no function of mlot in common, of which a linker would take one for
# both, and none at all that has AVX in the new one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for n in 1 2; do
  nm --defined-only "$1" | awk '$2 ~ /^[VWu]$/ { print $3 }' | sort -u >"$folder/$n"
  [ "$n" = 2 ] || shift
done
comm -12 "$folder/1" "$folder/2" >"$folder/shared"
grep -q _ZN4mlot "$folder/2" || { echo "nothing of mlot was found in $1"; exit 1; }
grep 4mlot "$folder/shared" >"$folder/wrong" || true
objdump -d --no-show-raw-insn "$1" | awk -v shared="$folder/shared" '
  BEGIN { while ((getline name < shared) > 0) is_shared[name] = 1 }
  /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3) }
  name in is_shared && $2 ~ /^v[a-z]/ { print name; delete is_shared[name] }' >>"$folder/wrong"
[ ! -s "$folder/wrong" ] || { echo "these are shared:"; sort -u "$folder/wrong" | c++filt; exit 1; }
