#!/bin/sh
# pages.sh <root> <folder to work in>: the cmake and sh blocks of README.md, CONTRIBUTING.md and docs/ stay true.
# - A cmake block stands word for word in a project of tests/package, which is built.
# - A line of a sh block is run by .ci/run, or stands in commands.txt with the reason why it need not be.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$2"
mkdir -p "$2"
work=$(cd "$2" && pwd)
cd "$1"

pages=
for page in README.md CONTRIBUTING.md docs/*.md; do
  [ ! -f "$page" ] || pages="$pages $page"
done
[ -n "$pages" ] || exit 0
# shellcheck disable=SC2086
awk -v out="$work" -f "$here/snippets.awk" $pages >"$work/list"

failed=0
for block in "$work"/*.cmake; do
  [ -f "$block" ] || continue
  found=no
  for project in tests/package/*/CMakeLists.txt; do
    if [ -f "$project" ] && awk 'FNR == 1 { ++file } { text[file] = text[file] $0 "\n" }
            END { exit index("\n" text[2], "\n" text[1]) ? 0 : 1 }' "$block" "$project"; then
      found=yes
    fi
  done
  if [ "$found" = no ]; then
    echo "$(basename "$block" .cmake): this cmake block stands in no project of tests/package"
    failed=1
  fi
done

{
  sed 's/ *$//' .ci/run
  sed -e '/^#/d' -e 's/ *|.*//' "$here/commands.txt"
} >"$work/known"
for block in "$work"/*.sh; do
  [ -f "$block" ] || continue
  sed -e ':join' -e '/\\$/{N;s/ *\\\n */ /;b join' -e '}' -e 's/^\$ //' -e 's/^#.*//' -e 's/ *  *#.*//' -e 's/ *$//' "$block" |
    grep -v '^ *$' >"$work/lines" || true
  while IFS= read -r command; do
    if ! grep -qxF -e "$command" "$work/known"; then
      echo "$(basename "$block" .sh): nothing runs this line, and commands.txt gives no reason: $command"
      failed=1
    fi
  done <"$work/lines"
done
exit "$failed"
