"""`stasis node-down`, which slurmctld's trigger calls: the jobs that ran there and have a checkpoint start at once."""

import os

import pytest


def waiting(job, reason="BeginTime", comment="(null)"):
    """A line of squeue's, in the columns that were asked for."""
    return f"{job:<32}{reason:<64}{comment:<1024}\n"


def checkpointed(node, number=3):
    return f"stasis: checkpoint {number} of 2025-01-31T08:00:00, 1.5 GiB, runs on {node}"


@pytest.fixture
def slurm(site):
    site.fakes.answer("scontrol", "show", "hostnames", out="n2\nn3\n")
    site.fakes.answer("squeue", out="")
    site.fakes.answer("scontrol", "update")
    return site.fakes


def updates(slurm):
    return [words[2:] for words in slurm.words() if words[:2] == ["scontrol", "update"]]


def test_protected_jobs_of_the_dead_nodes_may_start_at_once_and_no_others(site, slurm):
    slurm.answer(
        "squeue",
        out=waiting("812", comment=checkpointed("n2"))
        + waiting("813", comment=checkpointed("n1"))
        + waiting("814")
        + waiting("815", "Dependency", checkpointed("n2"))
        + waiting("816_7", "None", checkpointed("n3", 12))
        + waiting("817", comment="a note that says: runs on n2"),
    )
    done = site.stasis("node-down", "n[2-3]")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "job 812: eligible now, to go on from checkpoint 3\n"
        "job 816_7: eligible now, to go on from checkpoint 12\n"
    )
    assert slurm.words()[0] == ["scontrol", "show", "hostnames", "n[2-3]"]
    assert updates(slurm) == [["JobId=812", "StartTime=now"], ["JobId=816_7", "StartTime=now"]]


def test_nothing_to_do_is_no_error(site, slurm):
    done = site.stasis("node-down", "n2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert updates(slurm) == []


def test_a_job_that_cannot_be_moved_up_stops_no_other(site, slurm):
    slurm.answer("squeue", out="".join(waiting(str(job), comment=checkpointed("n2")) for job in (1, 2, 3)))
    slurm.answer("scontrol", "update", "JobId=2", err="slurm_update error: Job is being changed\n", status=1)
    done = site.stasis("node-down", "n2")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"job {job}: eligible now, to go on from checkpoint 3" for job in (1, 3)]
    assert done.stderr == "stasis: scontrol update JobId=2 StartTime=now: slurm_update error: Job is being changed\n"


@pytest.mark.parametrize("call", [("scontrol", "show", "hostnames"), ("squeue",)], ids=" ".join)
def test_slurmctld_being_away_is_told_and_an_error(site, slurm, call):
    slurm.answer(*call, err="error: Unable to contact slurm controller (connect failure)\n", status=1)
    done = site.stasis("node-down", "n2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Unable to contact slurm controller" in done.stderr and done.stderr.count("\n") == 1


def test_a_missing_slurm_is_an_error_that_names_the_program(site):
    (site.fakes.directory / "scontrol").unlink()
    done = site.stasis("node-down", "n2")
    assert done.returncode == 1
    assert "scontrol" in done.stderr and "No such file" in done.stderr


def test_slurms_commands_get_a_clean_environment_and_no_descriptor_of_ours(site, slurm):
    slurm.answer("squeue", out=waiting("812", comment=checkpointed("n2")))
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        done = site.stasis(
            "node-down", "n2",
            env={"PATH": "/nowhere", "LD_LIBRARY_PATH": "/nowhere", "SLURM_CONF": "/etc/slurm/other.conf", "SECRET": "x"},
            pass_fds=[writing],
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert len(slurm.calls()) == 3
    for call in slurm.calls():
        environment = call["environment"]
        # Python's own start may add LC_CTYPE.
        assert set(environment) - {"LC_CTYPE"} == {"PATH", "SLURM_TIME_FORMAT", "SLURM_CONF", "LC_ALL"}
        assert environment["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"
        assert environment["SLURM_CONF"] == "/etc/slurm/other.conf"
        assert set(call["descriptors"]) == {"0", "1", "2"}
        assert call["descriptors"]["0"] == "/dev/null"
