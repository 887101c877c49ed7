# ctest's output, with what each preset cost before its summary, and without the lines that only say that a test starts.
# -v seconds=<file of "preset seconds of building"> -v jobs=<tests at once>
BEGIN {
  while ((getline line <seconds) > 0) {
    split(line, word, " ")
    presets[++n] = word[1]
    building[word[1]] = word[2]
  }
}
/^ +Start +[0-9]+: / { next }
match($0, /Test +#[0-9]+: [^\/]+\//) {
  name = substr($0, RSTART, RLENGTH - 1)
  sub(/^Test +#[0-9]+: /, "", name)
  if ($NF == "sec") { testing[name] += $(NF - 1); ++tests[name] }
}
/^[0-9]+% tests passed/ {
  row = "%-12s %10s %8s %10s\n"
  printf row, "preset", "building s", "tests", "testing s"
  for (i = 1; i <= n; ++i) {
    p = presets[i]
    printf row, p, building[p], tests[p] + 0, int(testing[p] / jobs)
    all_building += building[p]; all_tests += tests[p]; all_testing += testing[p] / jobs
  }
  printf row "\n", "together", all_building, all_tests, int(all_testing)
}
{ print; fflush() }
