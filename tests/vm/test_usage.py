"""scripts/vmcluster refuses what it does not understand, in one line that says what it does."""

import pytest

from bed import vmcluster


@pytest.mark.parametrize(
    "args, says",
    [
        (["upp"], "there are up, down"),
        (["up", "--nodes"], "1 to 8"),
        (["up", "--nodes", "0"], "1 to 8"),
        (["up", "--nodes", "many"], "1 to 8"),
        (["up", "--fast"], "--nodes N"),
        (["down", "n1"], "takes nothing"),
    ],
)
def test_a_wrong_call_is_refused_with_status_2(args, says):
    result = vmcluster(*args)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "args, says",
    [
        (["exec", "n9", "--", "true"], "there are ctl n1 n2"),
        (["exec", "", "--", "true"], "which node"),
        (["exec", "n1", "-u", "mallory", "--", "true"], "root, alice and bob"),
        (["exec", "n1", "--"], "there is no CMD"),
        (["kill", "n9"], "there are ctl n1 n2"),
        (["start"], "which node"),
        (["logs", "n9"], "there are ctl n1 n2"),
    ],
)
def test_unknown_nodes_and_users_are_refused_with_status_2(bed, args, says):
    result = vmcluster(*args)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_help_names_every_verb():
    result = vmcluster("help")
    assert result.returncode == 0
    for verb in ("up", "down", "status", "exec", "kill", "start", "install", "logs"):
        assert f"\n  {verb} " in result.stdout


def test_without_a_bed_verbs_say_how_to_start_one(tmp_path, environment_of_another_bed):
    for args in (["exec", "n1", "--", "true"], ["kill", "n1"], ["start", "n1"], ["install"], ["logs"]):
        result = vmcluster(*args, env=environment_of_another_bed)
        assert result.returncode == 1
        assert "scripts/vmcluster up" in result.stderr


def test_a_user_who_is_not_root_is_told_to_use_sudo():
    result = vmcluster("status", user="nobody")
    assert result.returncode == 2
    assert "sudo" in result.stderr


def test_a_disk_without_space_is_refused_before_anything_is_built(tmp_path, environment_of_another_bed, small_disk):
    result = vmcluster("up", env=environment_of_another_bed | {"STASIS_BED_CACHE": str(small_disk)})
    assert result.returncode == 1
    assert "MiB free" in result.stderr


def test_a_mirror_that_does_not_answer_is_named(tmp_path, environment_of_another_bed):
    env = environment_of_another_bed | {
        "STASIS_BED_CACHE": str(tmp_path / "cache"),
        "STASIS_APT_MIRROR": "http://127.0.0.1:9/debian",
    }
    result = vmcluster("up", env=env)
    assert result.returncode == 1
    assert "http://127.0.0.1:9/debian does not answer" in result.stderr
    assert "STASIS_APT_MIRROR" in result.stderr
