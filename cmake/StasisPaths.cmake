# StasisPaths - where things are installed.
include(GNUInstallDirs)

# Slurm's plugin directory is fixed when Slurm is built: PluginDir in `scontrol show config`.
set(plugin_dir_default /usr/lib64/slurm)
if(CMAKE_LIBRARY_ARCHITECTURE AND EXISTS /etc/debian_version)
  set(plugin_dir_default /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/slurm-wlm)
endif()
set(STASIS_SLURM_PLUGINDIR ${plugin_dir_default} CACHE PATH "Slurm's PluginDir, where spank_stasis.so goes")
set(STASIS_SLURM_SYSCONFDIR /etc/slurm CACHE PATH "The directory of slurm.conf and plugstack.conf")
set(STASIS_SYSTEMD_UNITDIR ${CMAKE_INSTALL_PREFIX}/lib/systemd/system CACHE PATH "Where systemd units go")
set(STASIS_TMPFILESDIR ${CMAKE_INSTALL_PREFIX}/lib/tmpfiles.d CACHE PATH "Where tmpfiles.d snippets go")

# Debian's zsh keeps what packages bring apart from its own.
set(zsh_dir_default ${CMAKE_INSTALL_PREFIX}/share/zsh/site-functions)
if(EXISTS /etc/debian_version)
  set(zsh_dir_default ${CMAKE_INSTALL_PREFIX}/share/zsh/vendor-completions)
endif()
set(STASIS_ZSHDIR ${zsh_dir_default} CACHE PATH "Where zsh looks for completions")

set(STASIS_SYSCONFDIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/stasis)
set(STASIS_LIBEXECDIR ${CMAKE_INSTALL_FULL_LIBEXECDIR}/stasis)
