# Run when a program of test cases is linked: writes its ctests, named after file and case, where catch_discover_tests knows the
# case alone. Lists cases as both Catch2 2.13 and 3 do. The caller sets what tests/CMakeLists.txt writes down.
set(list_names --list-tests --verbosity quiet)
set(run_options)
if (catch2_version VERSION_LESS 3)
  set(list_names --list-test-names-only)
  set(run_options --warn NoTests)  # 3 always fails where nothing was run
endif ()

set(commands)
foreach (file IN LISTS files)
  get_filename_component(tag ${file} NAME)
  execute_process(COMMAND ${emulator} ${program} --filenames-as-tags "[#${tag}]" ${list_names}
                  OUTPUT_VARIABLE names ERROR_VARIABLE errors RESULT_VARIABLE result)
  if (NOT result MATCHES "^[0-9]+$" OR NOT errors STREQUAL "")  # 2.13 returns how many there are
    message(FATAL_ERROR "${program} cannot list its test cases: ${result} ${errors}")
  endif ()
  string(STRIP "${names}" names)
  string(REPLACE "\n" ";" names "${names}")
  foreach (name IN LISTS names)
    string(STRIP "${name}" name)
    string(REGEX REPLACE "([][,\\\\])" "\\\\\\1" pattern "${name}")
    set(ctest "${prefix}${file}: ${name}")
    string(APPEND commands
           "add_test([==[${ctest}]==] ${emulator} [==[${program}]==] [==[${pattern}]==] ${run_options})\n"
           "set_tests_properties([==[${ctest}]==] PROPERTIES TIMEOUT ${timeout} ENVIRONMENT [==[${environment}]==])\n")
  endforeach ()
endforeach ()
file(WRITE ${list} "${commands}")
