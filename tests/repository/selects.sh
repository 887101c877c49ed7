#!/bin/sh
# selects.sh <root> <build tree> <preset>: every `ctest --preset <preset> -R <expression>` of a page selects a test.
set -eu
cd "$1"
expressions=$(cat README.md CONTRIBUTING.md docs/*.md 2>/dev/null |
  sed -n "s/^ctest --preset $3 -R '\([^']*\)'.*/\1/p" | sort -u)
[ -n "$expressions" ] || { echo "no page has such a command"; exit 1; }
failed=0
for expression in $expressions; do
  if ctest --test-dir "$2" -N -R "$expression" | grep -q '^Total Tests: 0$'; then
    echo "this selects no test: ctest --preset $3 -R '$expression'"
    failed=1
  fi
done
exit "$failed"
