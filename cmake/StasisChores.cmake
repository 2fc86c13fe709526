# StasisChores - one command per chore: format, format-check, tidy, check, coverage-report.
find_program(CLANG_FORMAT NAMES clang-format)
find_program(RUN_CLANG_TIDY NAMES run-clang-tidy)
find_program(GCOVR NAMES gcovr)

set(code_folders spank capsule criu daemon cli common tests)
set(find_code find ${code_folders} -type f "(" -name *.cc -o -name *.h ")")

function(chore name)
  add_custom_target(${name} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} USES_TERMINAL VERBATIM)
endfunction()
function(missing_chore name program)
  chore(${name}
    COMMAND ${CMAKE_COMMAND} -E echo "${name}: needs ${program} (run scripts/setup, then configure again)"
    COMMAND ${CMAKE_COMMAND} -E false)
endfunction()

if(CLANG_FORMAT)
  chore(format COMMAND ${find_code} -exec ${CLANG_FORMAT} -i {} +)
  chore(format-check COMMAND ${find_code} -exec ${CLANG_FORMAT} --dry-run -Werror {} +)
else()
  missing_chore(format clang-format)
  missing_chore(format-check clang-format)
endif()

if(RUN_CLANG_TIDY)
  # gcc's own warning flags are in the compile commands; clang does not know them all.
  list(JOIN code_folders "|" folders_regex)
  chore(tidy COMMAND ${RUN_CLANG_TIDY} -quiet -p ${PROJECT_BINARY_DIR}
    -extra-arg=-Wno-unknown-warning-option "^${PROJECT_SOURCE_DIR}/(${folders_regex})/")
else()
  missing_chore(tidy run-clang-tidy)
endif()

# Depends on every test program: see tests/unit.
chore(check COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${PROJECT_BINARY_DIR} --output-on-failure)

if(STASIS_COVERAGE AND GCOVR)
  chore(coverage-report
    COMMAND ${CMAKE_COMMAND} -E chdir ${PROJECT_BINARY_DIR} ${GCOVR} --root ${PROJECT_SOURCE_DIR} --exclude tests/ --print-summary
      --html-details ${PROJECT_BINARY_DIR}/coverage.html ${PROJECT_BINARY_DIR})
endif()
