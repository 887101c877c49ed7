# Run when a program of test cases is linked: writes its ctests, named after file and case, where catch_discover_tests knows the
# case alone. Lists cases as both Catch2 2.13 and 3 do. The caller sets what tests/CMakeLists.txt writes down.
set(list_names --list-tests --verbosity quiet)
set(run_options)
if (catch2_version VERSION_LESS 3)
  set(list_names --list-test-names-only)
  set(run_options --warn NoTests)  # 3 always fails where nothing was run
endif ()

# list_cases(<variable> <specification>): the names of the cases that it selects.
function(list_cases variable specification)
  execute_process(COMMAND ${emulator} ${program} --filenames-as-tags ${specification} ${list_names}
                  OUTPUT_VARIABLE names ERROR_VARIABLE errors RESULT_VARIABLE result)
  if (NOT result MATCHES "^[0-9]+$" OR NOT errors STREQUAL "")  # 2.13 returns how many there are
    message(FATAL_ERROR "${program} cannot list its test cases: ${result} ${errors}")
  endif ()
  string(STRIP "${names}" names)
  string(REPLACE "\n" ";" names "${names}")
  set(${variable} "${names}" PARENT_SCOPE)
endfunction()

set(commands)
set(found)
foreach (file IN LISTS files)
  get_filename_component(tag ${file} NAME)
  list_cases(names "[#${tag}]~[.]")  # a hidden case is run by hand
  list(APPEND found ${names})
  foreach (name IN LISTS names)
    string(STRIP "${name}" name)
    string(REGEX REPLACE "([][,\\\\])" "\\\\\\1" pattern "${name}")
    set(ctest "${prefix}${file}: ${name}")
    string(APPEND commands
           "add_test([==[${ctest}]==] ${emulator} [==[${program}]==] [==[${pattern}]==] ${run_options})\n"
           "set_tests_properties([==[${ctest}]==] PROPERTIES TIMEOUT ${timeout} ENVIRONMENT [==[${environment}]==])\n")
  endforeach ()
endforeach ()
list_cases(all "~[.]")
list(LENGTH found found)
list(LENGTH all all)
if (NOT found EQUAL all)
  message(FATAL_ERROR "${program} has ${all} test cases, and its files ${found} of them")
endif ()
file(WRITE ${list} "${commands}")
