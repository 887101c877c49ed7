#!/bin/sh
# check_fails.sh <file> <command>: the command fails and says exactly what <file> holds.
set -u
expected=$1
shift
if said=$("$@" 2>&1); then
  echo "this should have failed: $*"
  exit 1
fi
printf '%s\n' "$said" | diff "$expected" -
