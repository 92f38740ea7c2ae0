# The README must show the example as it is compiled.
file(READ "${README}" readme)
file(READ "${EXAMPLE}" example)
string(FIND "${readme}" "${example}" place)
if(place EQUAL -1)
  message(FATAL_ERROR "${README} does not contain the text of ${EXAMPLE}")
endif()
