"""What `cmake --install` puts where, and that its parts find each other there."""

import re
import shlex
import stat
from pathlib import Path

import pytest

from programs import BUILD, run


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    done = run("cmake", "--install", BUILD, env={"DESTDIR": str(tree), "PATH": "/usr/bin:/bin"}, umask=0o022)
    assert done.returncode == 0, done.stderr
    return tree


def plugin_directory():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^STASIS_SLURM_PLUGINDIR:PATH=/(.+)$", cache, re.M)[1]


def zsh_directory():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return re.search(r"^STASIS_ZSHDIR:PATH=/(.+)$", cache, re.M)[1]


def installed():
    """Path: mode of every file."""
    return {
        "etc/slurm/plugstack.conf.d/stasis.conf": 0o644,
        "etc/stasis/stasis.yaml": 0o644,
        "usr/bin/checkpointer": 0o755,
        "usr/bin/stasis": 0o755,
        "usr/sbin/stasisd": 0o755,
        f"{plugin_directory()}/spank_stasis.so": 0o644,
        "usr/share/bash-completion/completions/stasis": 0o644,
        "usr/share/man/man1/checkpointer.1": 0o644,
        "usr/share/man/man1/stasis.1": 0o644,
        "usr/share/man/man5/stasis.yaml.5": 0o644,
        "usr/share/man/man8/spank_stasis.8": 0o644,
        "usr/share/man/man8/stasisd.8": 0o644,
        "usr/share/stasis/grafana/stasis.json": 0o644,
        f"{zsh_directory()}/_stasis": 0o644,
        "usr/lib/systemd/system/stasisd.service": 0o644,
        "usr/lib/tmpfiles.d/stasis.conf": 0o644,
        "usr/libexec/stasis/node-down": 0o755,
        "usr/libexec/stasis/criu/stasis_files.so": 0o644,
        "usr/libexec/stasis/stasis-anchor": 0o755,
        "usr/libexec/stasis/stasis-hook": 0o755,
        "usr/libexec/stasis/stasis-init": 0o755,
        "usr/libexec/stasis/stasis-shim": 0o755,
    }


def test_every_file_is_where_it_belongs_and_no_other_is_there(tree):
    found = {
        str(path.relative_to(tree)): stat.S_IMODE(path.lstat().st_mode) for path in tree.rglob("*") if not path.is_dir()
    }
    assert found == installed()


def test_what_files_call_is_installed(tree):
    unit = (tree / "usr/lib/systemd/system/stasisd.service").read_text()
    assert (tree / re.search(r"^ExecStart=/(\S+)", unit, re.M)[1]).is_file()
    trigger = (tree / "usr/libexec/stasis/node-down").read_text().splitlines()[-1]
    assert (tree / shlex.split(trigger)[1].lstrip("/")).is_file()
    stack = (tree / "etc/slurm/plugstack.conf.d/stasis.conf").read_text().splitlines()[-1].split()
    # Relative names are looked up in Slurm's plugin directory. A required plugin that fails would drain the node.
    assert stack[0] == "optional"
    assert (tree / plugin_directory() / stack[1]).is_file()


def test_programs_look_for_each_other_where_they_are_installed(tree):
    for user, used in (
        (f"{plugin_directory()}/spank_stasis.so", ("stasis-init", "stasis-shim")),
        ("usr/libexec/stasis/stasis-init", ("stasis-anchor",)),
        ("usr/sbin/stasisd", ("stasis-hook",)),
    ):
        code = (tree / user).read_bytes()
        assert [name for name in used if f"/usr/libexec/stasis/{name}\0".encode() not in code] == []


def test_no_binary_looks_for_libraries_in_the_build(tree):
    for path in tree.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            assert not re.search(r"RUNPATH|RPATH", run("readelf", "-dW", path).stdout), path


@pytest.mark.parametrize("component", ["plugin", "daemon", "cli"])
def test_a_component_can_be_installed_by_itself(tmp_path, component):
    done = run("cmake", "--install", BUILD, "--component", component, env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert found and found < set(installed())


def test_running_it_needs_nothing_of_the_source_tree(tree):
    done = run(tree / "usr/bin/stasis", "--version", cwd=Path("/"))
    assert done.returncode == 0
