# The test matrix, for ./dev: which presets a test builds, how, and what each of them costs.
# `./dev test` is the first of them, `./dev test --rest` the others, `./dev test --all` both.
rest='scalar sse2 clang avx512 asan tsan aarch64 grid grid-tsan grid-asan cuda'

# What does not fit into every run is run by the commit's hash: a commit runs the parts without a number, and those of one
# number. MLOT_ROTATION=1, 2 or 3 chooses one by hand, MLOT_ROTATION=all runs every part.
rotation_of() { # preset
  case $1 in
    sse2) echo 1 ;;
    aarch64 | cuda) echo 2 ;;
    grid) echo 3 ;;
  esac
}

rotation() {
  if [ -n "${MLOT_ROTATION-}" ]; then
    echo "$MLOT_ROTATION"
  elif hash=$(git rev-parse --short=7 HEAD 2>/dev/null); then
    echo $((0x$hash % 3 + 1))
  else
    echo all
  fi
}

# g++ builds tests at -Og and what they test at -O1: it saves half of the time. On native what they test is compiled as users
# compile it, at -O3, where g++ fuses products into sums and copies functions; clang optimises. There one library of instances
# serves tests and examples.
build_for_test() { # preset
  set -- "$1" -DMLOT_TEST_PRECOMPILED=ON
  case $1 in
    native)
      build_preset "$@" -DCMAKE_CXX_FLAGS_RELEASE='-Og -DNDEBUG' -DMLOT_TEST_INSTANCE_OPTIONS=-O3 -DMLOT_SMALL_THRESHOLDS=ON \
        -DMLOT_BENCH=OFF -DMLOT_TEST_HEADERS=OFF -DMLOT_EXAMPLES_REQUIRED=all
      ;;
    scalar) build_preset "$@" -DCMAKE_CXX_FLAGS_RELEASE='-O1 -DNDEBUG' -DMLOT_TEST_HEADERS=OFF ;;
    grid)
      build_preset "$@" -DCMAKE_CXX_FLAGS_RELEASE='-Og -DNDEBUG' -DMLOT_TEST_INSTANCE_OPTIONS=-O1 \
        -DMLOT_TEST_FILES='grid/|loss/(d|golden|matching|multi_level|ranked|reference|sinkd|universal)|primitive/([^s]|se|sinkhorn_(test|golden|forbidden|stopping))'
      ;;
    sse2) build_preset "$@" -DCMAKE_CXX_FLAGS_RELEASE='-O1 -DNDEBUG' -DMLOT_BENCH=ON -DMLOT_BENCH_UNOPTIMISED=ON ;;
    clang) build_preset "$@" -DMLOT_EXAMPLES=OFF -DMLOT_TEST_HEADERS=ON ;;
    *) build_preset "$@" ;;
  esac
}

# One test tree over the build trees of these presets: that each builds is itself a test, and one that is not run is a
# skipped one, with the reason in its name. The last lines are a table of seconds and ctest's own summary.
test_presets() { # folder of the run below build/, presets
  run=build/$1
  shift
  mkdir -p "$run"
  part=$(rotation)
  for preset in "$@"; do
    if [ "$preset" = avx512 ] && [ -z "$(why_not avx512)" ]; then continue; fi  # native is that
    reason=$(why_not "$preset")
    other=$(rotation_of "$preset")
    if [ -z "$reason" ] && [ -n "$other" ] && [ "$part" != all ] && [ "$other" != "$part" ]; then
      reason="in part $other of the rotation, this commit runs part $part"
    fi
    if [ -n "$reason" ]; then
      say "$preset is skipped: $reason"
      add_test "$preset (skipped: $reason)" 'exit 77'
      continue
    fi
    # shellcheck disable=SC2046
    need $(packages_of "$preset")
    say "building $preset"
    started=$(date +%s)
    if build_for_test "$preset"; then outcome=true; else outcome=false; fi
    echo "$preset $(($(date +%s) - started))" >>"$run/seconds"
    add_test "$preset/builds" "$outcome"
    if [ -f "build/$preset/CTestTestfile.cmake" ]; then printf 'subdirs("../%s")\n' "$preset" >>"$run/CTestTestfile.cmake"; fi
  done
  {
    if ctest --test-dir "$run" --output-on-failure -j "$jobs"; then outcome=passed; else outcome=failed; fi
    echo "$outcome" >"$run/outcome"
  } | awk -v seconds="$run/seconds" -v jobs="$jobs" -f tests/seconds.awk
  [ "$(cat "$run/outcome")" = passed ]
}

add_test() { # name, command of sh
  {
    printf 'add_test("%s" sh -c "%s")\n' "$1" "$2"
    printf 'set_tests_properties("%s" PROPERTIES SKIP_RETURN_CODE 77)\n' "$1"
  } >>"$run/CTestTestfile.cmake"
}

test_first() {
  rm -rf build/first
  test_presets first native && outcome=0 || outcome=1
  say "left to ./dev test --rest, part $(rotation) of its rotation: $rest"
  return "$outcome"
}

# What the first left out. Its summary also says how the first ended.
test_rest() {
  rm -rf build/rest
  mkdir -p build/rest
  run=build/rest
  case $(cat build/first/outcome 2>/dev/null) in
    passed) add_test './dev test' true ;;
    failed) add_test './dev test' false ;;
    *) add_test './dev test (skipped: not run before)' 'exit 77' ;;
  esac
  # shellcheck disable=SC2086
  test_presets rest $rest
}

test_all() {
  rm -rf build/all
  # shellcheck disable=SC2086
  test_presets all native $rest
}
