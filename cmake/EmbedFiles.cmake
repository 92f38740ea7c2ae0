# cmake -DOUT=f.cpp -DNAMES=a;b -DFILES=x,y;z -P EmbedFiles.cmake: the files as strings of
# namespace pilqr::command::report_files; those of one name (between commas) one after the other.
set(code "#include \"report_files.hpp\"\nnamespace pilqr::command::report_files {\n")
foreach(name files IN ZIP_LISTS NAMES FILES)
  set(hex "")
  string(REPLACE "," ";" files "${files}")
  foreach(file IN LISTS files)
    if(NOT file STREQUAL "none")
      file(READ "${file}" one HEX)
      string(APPEND hex "${one}")
    endif()
  endforeach()
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND code "namespace { const char ${name}_bytes[] = {${bytes}'\\0'}; }\n"
                     "const std::string_view ${name}(${name}_bytes, sizeof ${name}_bytes - 1);\n")
endforeach()
file(WRITE "${OUT}" "${code}}\n")
