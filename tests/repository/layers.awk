# Which layer may include which, and which words no header says. layers.sh tells the rules.
BEGIN {
  may["core"] = "core"
  may["cost"] = "core cost"
  may["divergence"] = "core divergence"
  may["primitive"] = "core cost divergence primitive"
  may["scalar"] = "core cost divergence primitive scalar"
  may["simd"] = "core cost divergence primitive scalar simd"
  may["grid"] = "core cost divergence primitive grid"
  may["cuda"] = "core cost divergence primitive grid cuda"
  may["loss"] = "core cost divergence primitive loss"
  may["umbrella"] = "scalar simd grid cuda losses umbrella"
  may["interop"] = "core cost divergence primitive scalar simd grid cuda loss interop losses umbrella"
  may["losses"] = may["loss"]
  # What an umbrella includes, itself or by others: these folders whole.
  holds["mlot/losses.hpp"] = "cost divergence loss"
  holds["mlot/mlot.hpp"] = "cost divergence loss scalar"
  holds["mlot/simd.hpp"] = "cost divergence loss primitive scalar simd"
  holds["mlot/grid.hpp"] = "cost divergence loss grid"
  holds["mlot/mlot.cuh"] = "cost divergence loss grid cuda"
  space["scalar"] = "mlot::MLOT_SET::scalar"
  space["simd"] = "mlot::MLOT_SET::simd::MLOT_THREADS"
  space["grid"] = "mlot::MLOT_SET::simt"
  space["cuda"] = "mlot::MLOT_SET::simt::cuda"
  set_file = "mlot/core/instruction_set.hpp"
  forbidden = "throw|abort|exit|_Exit|quick_exit|terminate|printf|fprintf|puts|new|malloc|calloc|realloc"
  macros = "near|far|small|hyper|interface|IN|OUT|OPTIONAL|I"
}

function say(what) { print FILENAME ":" FNR ": " what }

function layer_of(path,   part, n) {
  n = split(path, part, "/")
  if (n == 2) return part[2] == "losses.hpp" ? "losses" : "umbrella"
  return part[2]
}

# The line without comments and without the contents of strings; remembers an open /* in in_comment.
function code_of(line,   out, two, c, quote) {
  out = ""
  while (line != "") {
    two = substr(line, 1, 2)
    c = substr(line, 1, 1)
    if (in_comment) {
      if (two == "*/") { in_comment = 0; line = substr(line, 3) } else line = substr(line, 2)
    } else if (quote != "") {
      if (c == "\\") line = substr(line, 3)
      else { if (c == quote) { quote = ""; out = out c }; line = substr(line, 2) }
    } else if (two == "//") {
      return out
    } else if (two == "/*") {
      in_comment = 1; line = substr(line, 3)
    } else {
      # 1(apostrophe)000 separates digits and opens nothing
      if (c == "\"" || (c == "\047" && out !~ /[0-9A-Za-z]$/)) quote = c
      out = out c; line = substr(line, 2)
    }
  }
  return out
}

# Backends that say a name twice cannot be included together: each has a namespace, and mlot::on nothing but aliases.
# A name outside the instruction set's namespace is one symbol for all sets.
function check_namespaces(code,   name) {
  if (match(code, /^namespace +mlot[A-Za-z_:]*/)) {
    name = substr(code, 1, RLENGTH)
    sub(/^namespace +/, "", name)
    opens[FILENAME] = opens[FILENAME] " " name
    if (name !~ /^mlot::MLOT_SET(::|$)/) say("write the instruction set behind mlot: namespace mlot::MLOT_SET...")
  }
  if (match(code, /^namespace +mlot::(MLOT_SET::)?(scalar|simd|simt|on)(::[A-Za-z_:]*)?/)) {
    if (name == "mlot::MLOT_SET::on" || name == "mlot::on") {
      in_on = 1
      depth = 0
      statement = ""
    } else if (layer != "interop" && name != space[layer]) {
      say(layer " opens namespace " name)
    }
  } else if (code ~ /namespace +(scalar|simd|simt|on)([^a-z_]|$)/) {
    say("write a backend\047s namespace in one: namespace mlot::...")
  } else if (in_on) {
    statement = statement code " "
    depth += gsub(/{/, "{", code) - gsub(/}/, "}", code)
    if (depth < 0) in_on = 0
    else if (depth == 0 && statement ~ /[;}]/) {
      if (statement !~ /^ *(template *<[^;{}]*> *)?using +[A-Za-z0-9_]+ *=[^;{}]*; *$/)
        say("mlot::on holds the names of devices alone, each a using name = ...;")
      statement = ""
    }
  }
}

FNR == 1 {
  in_comment = in_on = depth = 0
  statement = ""
  layer = layer_of(FILENAME)
  known = layer in may
  files[++count] = FILENAME
  layers[FILENAME] = layer
  if (split(FILENAME, unused, "/") > 3) say("a file lies in one folder below mlot, no deeper")
  else if (!known) say("unknown layer " layer)
}

!in_comment && /^[ \t]*#[ \t]*include/ {
  line = $0
  sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
  quoted = line ~ /^"/
  sub(/^["<]/, "", line)
  sub(/[">].*/, "", line)
  if (line ~ /^mlot\//) {
    includes[FILENAME] = includes[FILENAME] " " line
    if (FILENAME ~ /\.hpp$/ && line ~ /\.cuh$/) say("a .hpp includes the .cuh " line)
    if (known && index(" " may[layer] " ", " " layer_of(line) " ") == 0) say(layer " includes " line)
  } else if (quoted) {
    say("write the include of " line " from include/: mlot/...")
  }
  if (line ~ /stream$/) say("includes " line)
  next
}

{
  code = code_of($0)
  check_namespaces(code)
  if (code ~ /_OPENMP/ && FILENAME != set_file) threads[FILENAME] = 1
  gsub(/::new \(static_cast<void\*>/, "", code)  # in memory that is there
  called = code
  gsub(/\([a-z_:]*(<[A-Za-z0-9_:]*>)?(::)?(min|max)(<[A-Za-z0-9_:]*>)?\)/, "", called)
  if ((" " called) ~ /[^A-Za-z0-9_](min|max) *[<(]/) say("write (std::min)(...), (std::max)(...): they are macros where windows.h is")
  gsub(/[^A-Za-z0-9_]+/, " ", code)
  n = split(code, word, " ")
  for (i = 1; i <= n; ++i)
    if (word[i] ~ ("^(" forbidden ")$")) say("mentions " word[i])
  for (i = 1; i <= n; ++i)
    if (word[i] ~ ("^(" macros ")$")) say("a platform\047s headers have a macro " word[i])
}

# What scalar/ has beside the versions of contracts may serve simd/ alone.
function must_hold(umbrella, file,   contract) {
  if (index(" " holds[umbrella] " ", " " layers[file] " ") == 0) return 0
  contract = file
  return umbrella != "mlot/mlot.hpp" || !sub(/scalar/, "primitive", contract) || contract in layers
}

function reach(umbrella, file,   n, i, line) {
  reached[umbrella, file] = 1
  n = split(includes[file], line, " ")
  for (i = 1; i <= n; ++i)
    if (!((umbrella, line[i]) in reached)) reach(umbrella, line[i])
}

END {
  for (f = 1; f <= count; ++f) {
    reach(files[f], files[f])
    if (files[f] in opens && !((files[f], set_file) in reached)) print files[f] " does not include " set_file
    if (files[f] in threads && opens[files[f]] !~ /MLOT_THREADS/)
      print files[f] " asks for _OPENMP outside a namespace of MLOT_THREADS"
  }
  n = split("mlot/losses.hpp mlot/mlot.hpp mlot/simd.hpp mlot/grid.hpp mlot/mlot.cuh", umbrella, " ")
  for (i = 1; i <= n; ++i) {
    reach(umbrella[i], umbrella[i])
    for (f = 1; f <= count; ++f)
      if (must_hold(umbrella[i], files[f]) && !((umbrella[i], files[f]) in reached))
        print umbrella[i] " does not include " files[f]
  }
}
