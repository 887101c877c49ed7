# contraction.awk <dump of gcc's pass widening_mul, with lines>: fails where gcc fused a product of lanes into a sum by itself,
# anywhere but in plain_sum, where it must have. Sums of lanes are those that stand in the headers of the intrinsics.
/^;; Function/ {
  name = $0
  sub(/^;; Function /, "", name)
  sub(/ \(.*/, "", name)
}
/(mm|avx[a-z0-9]*)intrin\.h:[0-9:]+\][^=]*= \.FN?M[AS] \(/ {
  if (name ~ /^plain_sum/)
    looked = 1
  else if (!(name in seen)) {
    seen[name] = failed = 1
    print "g++ fuses a product of lanes into a sum, in one copy of a loop and perhaps not in another, in\n  " name
  }
}
END {
  if (failed) print "Write multiply_add or product, of mlot/simd/lanes.hpp."
  if (!looked) print "Nothing was found in plain_sum either: the dump is not what it was."
  exit failed || !looked
}
