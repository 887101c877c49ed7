#!/bin/sh
# compile.sh <report> <command>: what the command says goes into the report, and to the screen if it fails.
report=$1
shift
if ! "$@" >"$report" 2>&1; then
  cat "$report"
  rm "$report"
  exit 1
fi
