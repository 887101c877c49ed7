# awk -v out=<folder> -f snippets.awk <markdown files>: writes every fenced cpp, cmake and sh block to a file of its own,
# <folder>/<page>_<line>.<language>, and prints that path.
# A cpp block without int main becomes one: its #include lines stay above, the rest is the body of main.

function start(language) {
  name = FILENAME
  sub(/.*\//, "", name)
  sub(/\.md$/, "", name)
  gsub(/[^A-Za-z0-9]/, "_", name)
  file = out "/" name "_" FNR "." language
  first = FNR + 1
  count = 0
  has_main = 0
}

function finish(   i, is_include) {
  printf "" > file
  if (language == "cpp" && !has_main) {
    print "#include <mlot/mlot.hpp>" > file
    for (i = 1; i <= count; ++i)
      if (line[i] ~ /^#[ \t]*include/) print line[i] > file
    print "#include <cmath>\n#include <cstdio>\n#include <vector>\nint main() {" > file
    printf "#line %d \"%s\"\n", first, FILENAME > file
    for (i = 1; i <= count; ++i) print (line[i] ~ /^#[ \t]*include/ ? "" : line[i]) > file
    print "}" > file
  } else {
    if (language == "cpp") printf "#line %d \"%s\"\n", first, FILENAME > file
    for (i = 1; i <= count; ++i) print line[i] > file
  }
  close(file)
  print file
}

FNR == 1 && inside { bad = 1; exit }
/^[ \t]*```/ {
  if (inside) {
    if (language != "") finish()
    inside = 0
  } else {
    inside = 1
    opened = FILENAME ":" FNR
    language = $0
    sub(/^[ \t]*```+[ \t]*/, "", language)
    sub(/[^a-z+].*/, "", language)
    if (language == "bash" || language == "shell" || language == "console") language = "sh"
    if (language == "c++") language = "cpp"
    if (language != "cpp" && language != "cmake" && language != "sh") language = ""
    if (language != "") start(language)
  }
  next
}
inside {
  line[++count] = $0
  if ($0 ~ /int main *\(/) has_main = 1
}
END {
  if (inside || bad) {
    print opened ": this block is never closed" > "/dev/stderr"
    exit 1
  }
}
