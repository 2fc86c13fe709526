"""The RPM spec, which nobody builds here, against what is installed and what the Debian package says."""

import re

from programs import TOP
from test_install import installed, plugin_directory, zsh_directory

SPEC = (TOP / "packaging" / "stasis.spec").read_text()
# As rpm has them on systems where libraries are in lib64, the directories of the plugin and of zsh aside. rpm compresses
# man pages, hence the "*" behind them.
MACROS = {
    "_bindir": "/usr/bin",
    "_sbindir": "/usr/sbin",
    "_libexecdir": "/usr/libexec",
    "_sysconfdir": "/etc",
    "_unitdir": "/usr/lib/systemd/system",
    "_tmpfilesdir": "/usr/lib/tmpfiles.d",
    "_mandir": "/usr/share/man",
    "_datadir": "/usr/share",
    "zsh_dir": "/" + zsh_directory(),
    "slurm_plugindir": "/" + plugin_directory(),
}


def listed():
    """The paths in %files, without directories and documents."""
    section = re.search(r"^%files\n(.*?)^%changelog", SPEC, re.M | re.S)[1]
    paths = []
    for line in section.splitlines():
        words = line.split()
        if words and words[0] not in ("%dir", "%license", "%doc"):
            paths.append(re.sub(r"%\{(\w+)\}", lambda macro: MACROS[macro[1]], words[-1]).rstrip("*"))
    return paths


def test_the_spec_lists_what_is_installed():
    # The Debian package has no list of its own: it takes all of it.
    assert not list((TOP / "packaging" / "debian").glob("*.install"))
    assert sorted(listed()) == sorted("/" + path for path in installed())


def test_the_version_is_the_same_everywhere():
    version = re.search(r"^project\(stasis VERSION (\S+)", (TOP / "CMakeLists.txt").read_text(), re.M)[1]
    assert re.search(r"^Version:\s+(\S+)", SPEC, re.M)[1] == version
    assert (TOP / "packaging" / "debian" / "changelog").read_text().startswith(f"stasis ({version}) ")
