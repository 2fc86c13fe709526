"""What our binaries need and show: they are loaded into Slurm's own programs and run in whatever root a job has."""

import re
from pathlib import Path

import pytest

from programs import CAPSULE, PLUGIN, STASIS, STASISD, run

# What Slurm looks for in a SPANK plugin, as far as this one has it.
SLURMS_NAMES = {
    "plugin_name",
    "plugin_type",
    "plugin_version",
    "spank_plugin_version",
    "slurm_spank_init",
    "slurm_spank_init_post_opt",
    "slurm_spank_local_user_init",
    "slurm_spank_task_init_privileged",
    "slurm_spank_task_init",
}
C_RUNTIME = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# Functions of the SPANK interface that Slurm 22.05 lacks: there the plugin must load all the same.
YOUNGER_THAN_22_05 = {"spank_prepend_task_argv"}


def needed(path):
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", run("readelf", "-dW", path).stdout))


def symbols(path, *options):
    """{name without version: type} of a dynamic symbol table."""
    found = {}
    for line in run("nm", "-D", *options, path).stdout.splitlines():
        kind, name = line.split()[-2:]
        found[name.split("@")[0]] = kind
    return found


def test_the_plugin_shows_slurms_names_and_no_other():
    assert set(symbols(PLUGIN, "--defined-only")) == SLURMS_NAMES


def test_the_plugin_needs_the_c_runtime_and_nothing_else():
    assert needed(PLUGIN) - C_RUNTIME == set()
    assert "not found" not in run("ldd", PLUGIN).stdout


def test_the_plugin_takes_from_its_host_only_what_spank_offers():
    table = run("nm", "-D", "--undefined-only", PLUGIN).stdout.splitlines()
    # Names with a version are the C runtime's; weak ones without are left to whoever has them.
    unversioned = {line.split()[-1]: line.split()[-2] for line in table if "@" not in line}
    strong = {name for name, kind in unversioned.items() if kind == "U"}
    assert strong != set()
    assert [name for name in strong if not re.match(r"(spank|slurm)_", name)] == []
    assert YOUNGER_THAN_22_05 & strong == set()
    assert YOUNGER_THAN_22_05 <= set(unversioned)


@pytest.mark.parametrize("program", CAPSULE, ids=lambda path: path.name)
def test_the_programs_of_a_capsule_need_no_file_but_themselves(program):
    assert "INTERP" not in run("readelf", "-lW", program).stdout
    assert needed(program) == set()


@pytest.mark.parametrize("path", [PLUGIN, STASIS, STASISD, *CAPSULE], ids=lambda path: Path(path).name)
def test_no_binary_has_an_executable_stack(path):
    stack = [line for line in run("readelf", "-lW", path).stdout.splitlines() if "GNU_STACK" in line]
    assert len(stack) == 1 and " RW " in stack[0]
