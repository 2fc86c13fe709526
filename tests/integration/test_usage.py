"""A program that is called wrongly says so in a line and exits with 2; one that cannot do its work exits with 1."""

import pytest

from programs import CAPSULE, STASIS, STASISD, TOP, run

VERSION = next(
    line.split()[2] for line in (TOP / "CMakeLists.txt").read_text().splitlines() if line.startswith("project(stasis ")
)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["chekpoint", "7"],
        ["checkpoint"],
        ["checkpoint", "seven"],
        ["checkpoint", "7", "8"],
        ["checkpoint", "-1"],
        ["checkpoint", "7", "--fast"],
        ["evacuate", "n1", "n2"],
        ["check"],
        ["check", "seven"],
        ["node-down"],
        ["keygen", "--id"],
    ],
    ids=" ".join,
)
def test_stasis_refuses_a_wrong_call_with_status_2(words):
    done = run(STASIS, *words)
    assert done.returncode == 2
    assert done.stderr != "" and done.stdout == ""


@pytest.mark.parametrize("words", [["--chek-config"], ["start"], ["--config"]], ids=" ".join)
def test_stasisd_refuses_a_wrong_call_with_status_2(words):
    done = run(STASISD, *words)
    assert done.returncode == 2
    assert done.stderr != "" and done.stdout == ""


@pytest.mark.parametrize("program", CAPSULE, ids=lambda path: path.name)
def test_the_programs_of_a_capsule_refuse_to_be_started_by_anybody_else(program):
    done = run(program, env={})
    assert done.returncode == 2
    assert done.stderr.startswith(f"{program.name}: ") and done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["0", "true"], ["2", "true"], ["99", "true"], ["x", "true"]], ids=" ".join)
def test_the_shim_takes_nothing_but_a_socket_for_its_line_to_init(words):
    done = run(CAPSULE[0], *words, env={})
    assert (done.returncode, done.stdout) == (2, "")
    assert "Slurm's plugin only" in done.stderr


@pytest.mark.parametrize("program", [STASIS, STASISD], ids=lambda path: path.name)
def test_the_version_is_the_projects(program):
    done = run(program, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{program.name} {VERSION}\n", "")


def test_help_names_every_verb_and_fits_a_screen():
    done = run(STASIS, "--help")
    assert done.returncode == 0
    for verb in ("checkpoint", "evacuate", "check", "node-down", "keygen"):
        assert f"\n  {verb} " in done.stdout
    assert len(done.stdout.rstrip().splitlines()) < 25
