"""scripts/cluster refuses what it does not understand, and says in one line what to do where it cannot go on."""

import os
import subprocess

import pytest

from bed import CLUSTER


def cluster(*words, env=None, user=None):
    return subprocess.run(
        [CLUSTER, *words], env=os.environ | (env or {}), user=user, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )


def refused(done, status, says):
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def words(value):
    return " ".join(value) if isinstance(value, list) else ""


@pytest.mark.parametrize(
    "words, says",
    [
        (["upp"], "there are up, down"),
        (["up", "--nodes"], "1 to 60"),
        (["up", "--nodes", "0"], "1 to 60"),
        (["up", "--nodes=61"], "1 to 60"),
        (["up", "--nodes", "many"], "1 to 60"),
        (["up", "--with", "magic"], "linuxproc"),
        (["up", "--fast"], "--nodes N"),
        (["down", "n1"], "takes nothing"),
        (["status", "n1"], "takes nothing"),
        (["install", "n1"], "takes nothing"),
        (["exec"], "there is no NODE"),
        (["kill"], "the name of one node"),
        (["kill", "n1", "n2"], "the name of one node"),
        (["start", ""], "the name of one node"),
        (["logs", "-n", "many"], "-n takes a number"),
        (["logs", "--last"], "logs takes a node"),
        (["logs", "n1", "n2"], "one node or none"),
    ],
    ids=words,
)
def test_a_wrong_call_is_refused_with_status_2(words, says):
    refused(cluster(*words), 2, says)


@pytest.mark.parametrize(
    "words, says",
    [
        (["exec", "n9", "--", "true"], "there are ctl n1 n2 n3"),
        (["exec", "", "--", "true"], "which node"),
        (["exec", "../n1", "--", "true"], "there are ctl n1 n2 n3"),
        (["exec", "n1", "-u", "mallory", "--", "true"], "root, alice and bob"),
        (["exec", "n1", "-u", "alice", "--"], "there is no CMD"),
        (["exec", "n1"], "there is no CMD"),
        (["exec", "n1", "--user", "alice", "--", "true"], "no option '--user'"),
        (["kill", "n9"], "there are ctl n1 n2 n3"),
        (["start", "n4"], "there are ctl n1 n2 n3"),
        (["logs", "n9"], "there are ctl n1 n2 n3"),
    ],
    ids=words,
)
def test_unknown_nodes_and_users_are_refused_with_status_2(whole_bed, words, says):
    refused(cluster(*words), 2, says)


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_names_every_verb(word):
    done = cluster(word)
    assert (done.returncode, done.stderr) == (0, "")
    for verb in ("up", "down", "status", "exec", "kill", "start", "install", "logs"):
        assert f"\n  {verb} " in done.stdout


@pytest.fixture
def nowhere(tmp_path):
    """The environment of a bed that was never up."""
    return {"STASIS_BED": "nowhere", "STASIS_BED_STATE": str(tmp_path / "state"), "STASIS_BED_CACHE": str(tmp_path / "cache")}


@pytest.mark.parametrize(
    "words", [["exec", "n1", "--", "true"], ["kill", "n1"], ["start", "n1"], ["install"], ["logs"]], ids=" ".join
)
def test_without_a_bed_verbs_say_how_to_start_one(nowhere, words):
    refused(cluster(*words, env=nowhere), 1, "scripts/cluster up")


def test_without_a_bed_status_says_so_and_down_has_nothing_to_do(nowhere):
    done = cluster("status", env=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the test bed is down\n", "")
    done = cluster("down", env=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("verb", ["up", "down", "status", "kill", "logs"])
def test_a_user_who_is_not_root_is_told_to_use_sudo(verb):
    refused(cluster(verb, user="nobody"), 2, "sudo")


@pytest.mark.parametrize("name", ["../x", "A", "with blank", "x" * 21, "-x"])
def test_a_name_that_could_not_be_a_path_is_no_beds(nowhere, name):
    refused(cluster("status", env=nowhere | {"STASIS_BED": name}), 2, "STASIS_BED takes")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("place", ["STASIS_BED_STATE", "STASIS_BED_CACHE"])
def test_a_disk_without_space_is_refused_before_anything_is_built(nowhere, small_disk, place):
    done = cluster("up", env=nowhere | {place: str(small_disk), "STASIS_APT_MIRROR": "http://127.0.0.1:9/debian"})
    assert done.returncode == 1, done.stderr
    assert f"MiB free in {small_disk}" in done.stderr.splitlines()[-1]
    assert not list(small_disk.rglob("root"))


@pytest.mark.parametrize("place", ["STASIS_BED_STATE", "STASIS_BED_CACHE"])
def test_a_place_that_cannot_be_written_is_named(nowhere, place):
    done = cluster("up", env=nowhere | {place: "/proc/nowhere"})
    assert done.returncode == 1
    assert f"{place}" in done.stderr and "/proc/nowhere" in done.stderr.splitlines()[-1]


def test_a_mirror_that_does_not_answer_is_named(nowhere):
    done = cluster("up", env=nowhere | {"STASIS_APT_MIRROR": "http://127.0.0.1:9/debian"})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "http://127.0.0.1:9/debian does not answer" in last and "STASIS_APT_MIRROR" in last
    assert cluster("status", env=nowhere).stdout == "the test bed is down\n"
