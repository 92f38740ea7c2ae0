# pilqr_set_warnings(target): the project's own warning level; never passed on to consumers.
function(pilqr_set_warnings target)
  target_compile_options(
    ${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                      $<$<BOOL:${PILQR_WARNINGS_AS_ERRORS}>:-Werror>)
endfunction()
