# FindSlurm - the headers a SPANK plugin is built against. Nothing is linked: slurmstepd, sbatch and srun
# provide the functions. Point CMAKE_PREFIX_PATH or Slurm_INCLUDE_DIR at another Slurm to build for that one.
#
# Sets Slurm_FOUND, Slurm_VERSION, Slurm_INCLUDE_DIR; makes the target Slurm::spank.
find_path(Slurm_INCLUDE_DIR slurm/spank.h)
mark_as_advanced(Slurm_INCLUDE_DIR)

if(Slurm_INCLUDE_DIR AND EXISTS ${Slurm_INCLUDE_DIR}/slurm/slurm_version.h)
  # SLURM_VERSION_NUMBER is 0xMMmmpp: 0x160508 is 22.05.8.
  file(STRINGS ${Slurm_INCLUDE_DIR}/slurm/slurm_version.h line REGEX "define SLURM_VERSION_NUMBER 0x[0-9a-fA-F]+")
  if(line MATCHES "0x([0-9a-fA-F][0-9a-fA-F])([0-9a-fA-F][0-9a-fA-F])([0-9a-fA-F][0-9a-fA-F])")
    set(parts ${CMAKE_MATCH_1} ${CMAKE_MATCH_2} ${CMAKE_MATCH_3})
    foreach(part IN LISTS parts)
      math(EXPR number "0x${part}")
      list(APPEND numbers ${number})
    endforeach()
    list(JOIN numbers "." Slurm_VERSION)
    unset(numbers)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Slurm REQUIRED_VARS Slurm_INCLUDE_DIR VERSION_VAR Slurm_VERSION)

if(Slurm_FOUND AND NOT TARGET Slurm::spank)
  add_library(Slurm::spank INTERFACE IMPORTED)
  set_target_properties(Slurm::spank PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${Slurm_INCLUDE_DIR})
endif()
