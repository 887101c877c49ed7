# mlot::compiled: the instances that mlot/instances.hpp declares, a static library. Built only where something links it, and
# with the flags of that build: the instruction set is part of every name. The installed package reads the same file.
if (TARGET mlot::compiled)
  return()
endif ()

# One file per part: <name>|<macro>|<arguments after the device>.
set(mlot_parts "mixed|MIXED|")
foreach (number IN ITEMS float double)
  list(APPEND mlot_parts "tables_${number}|TABLE|, ${number}" "transport_${number}|TRANSPORT|, ${number}")
endforeach ()
# Computing, stored, and gradient's number.
foreach (numbers IN ITEMS "float, float, float" "double, double, double" "float, mlot::half, mlot::half" "float, mlot::half, float"
                          "float, mlot::bfloat16, mlot::bfloat16" "float, mlot::bfloat16, float")
  string(REPLACE "mlot::" "" name "_${numbers}")
  string(REPLACE ", " "_" name "${name}")
  string(REGEX REPLACE ", [^,]*$" "" stored "${numbers}")
  list(APPEND mlot_parts "gradients${name}|GRADIENT|, ${numbers}" "losses${name}|LOSS|, ${numbers}"
                         "dense${name}|DIVERGENCE|, ${numbers}, dense_teacher")
  if (NOT numbers MATCHES "mlot.* float$")
    list(APPEND mlot_parts "logits${name}|LOGIT|, ${stored}")
    list(APPEND mlot_host_parts "sparse${name}|DIVERGENCE|, ${numbers}, sparse_teacher")
  endif ()
endforeach ()
# For calls from any directory.
set_property(GLOBAL PROPERTY MLOT_PARTS "${mlot_parts}")
set_property(GLOBAL PROPERTY MLOT_HOST_PARTS "${mlot_host_parts}")

# mlot_add_instances(<library> <header> <devices> [<regular expression>]): adds to a library the instances for these devices,
# which the header includes, or those of the parts whose name, <device>_<name>, matches.
function(mlot_add_instances library header devices)
  foreach (device IN LISTS devices)
    get_property(parts GLOBAL PROPERTY MLOT_PARTS)
    if (device MATCHES "scalar|simd")
      get_property(host_parts GLOBAL PROPERTY MLOT_HOST_PARTS)
      list(APPEND parts ${host_parts})
    endif ()
    string(REGEX REPLACE ".*::|<>" "" device_name ${device})
    foreach (part IN LISTS parts)
      string(REGEX MATCH "^([^|]*)[|]([^|]*)[|](.*)$" part ${part})
      set(name ${device_name}_${CMAKE_MATCH_1})
      set(macro ${CMAKE_MATCH_2})
      set(arguments ${CMAKE_MATCH_3})
      if (NOT ARGN OR name MATCHES "${ARGN}")
        set(source ${CMAKE_CURRENT_BINARY_DIR}/${library}/${name}.cpp)
        file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#include "@header@"
MLOT_@macro@_INSTANCES(, @device@@arguments@)
]])
        target_sources(${library} PRIVATE ${source})
      endif ()
    endforeach ()
  endforeach ()
endfunction()

# mlot_add_compiled(<library> [<regular expression>]): such a library for the host's devices.
function(mlot_add_compiled library)
  add_library(${library} STATIC EXCLUDE_FROM_ALL)
  target_link_libraries(${library} PUBLIC mlot::mlot)
  target_compile_definitions(${library} PUBLIC MLOT_COMPILED=1)
  set(devices mlot::on::scalar)
  if (TARGET mlot::simd)
    list(APPEND devices mlot::on::simd<>)
    target_link_libraries(${library} PUBLIC mlot::simd)
    target_compile_definitions(${library} PUBLIC MLOT_COMPILED_SIMD=1)
  endif ()
  mlot_add_instances(${library} mlot/instances.hpp "${devices}" ${ARGN})
endfunction()

if (MLOT_SMALL_THRESHOLDS)
  mlot_add_compiled(mlot_compiled ${MLOT_TEST_INSTANCES})
else ()
  mlot_add_compiled(mlot_compiled)
endif ()
add_library(mlot::compiled ALIAS mlot_compiled)
