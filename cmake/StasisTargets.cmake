# StasisTargets - how every target of ours is compiled, and the few kinds of targets there are.

add_library(stasis_options INTERFACE)
target_include_directories(stasis_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(stasis_options INTERFACE
  _GNU_SOURCE
  STASIS_VERSION="${PROJECT_VERSION}"
  STASIS_SYSCONFDIR="${STASIS_SYSCONFDIR}"
  STASIS_LIBEXECDIR="${STASIS_LIBEXECDIR}"
  STASIS_BINDIR="${CMAKE_INSTALL_FULL_BINDIR}"
)
target_compile_options(stasis_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
  -Wcast-qual -Wformat=2 -Wundef -Wimplicit-fallthrough -Wmissing-declarations -Wextra-semi
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wuseless-cast>
)
# gcc 12 sees overlaps in std::string's own code: https://gcc.gnu.org/PR105651
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(stasis_options INTERFACE -Wno-restrict)
endif()
if(STASIS_WERROR)
  target_compile_options(stasis_options INTERFACE -Werror)
endif()
if(STASIS_SANITIZE)
  target_compile_options(stasis_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(stasis_options INTERFACE -fsanitize=address,undefined)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL Debug AND NOT STASIS_COVERAGE)
  # Root runs this on what users send.
  target_compile_options(stasis_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  target_link_options(stasis_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(STASIS_FUZZ)
  # Everything tells the fuzzer which way it went.
  target_compile_options(stasis_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(stasis_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(STASIS_COVERAGE)
  target_compile_options(stasis_options INTERFACE --coverage -fprofile-abs-path -fprofile-update=atomic)
  target_link_options(stasis_options INTERFACE --coverage)
endif()

# stasis_part(NAME DEPENDENCY...): a static library of every *.cc of this folder that is no program's main file
# (main.cc, *_main.cc, plugin.cc). The programs and the unit tests link it. A folder may have no such file yet.
function(stasis_part name)
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "(/|_)main\\.cc$|/plugin\\.cc$|_test\\.cc$")
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC stasis_options ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE stasis_options ${ARGN})
  endif()
endfunction()
