"""A job does not go on on a node that lacks instructions which its programs may have found on the one before."""

import pytest

from bed import counting, eventually

# A feature that every x86 and every ARM processor of the last fifteen years has.
WITHOUT_ONE = "sed -E '/^(flags|Features)/s/ (popcnt|asimd)( |$)/ /' /proc/cpuinfo"


@pytest.fixture
def lesser_node(bed):
    """n2 pretends; n3 is away for now, so that jobs start on n1."""
    bed.sh("n2", f"{WITHOUT_ONE} >/run/cpuinfo && mount --bind /run/cpuinfo /proc/cpuinfo")
    for node in ("n2", "n3"):
        bed.sh("ctl", f"scontrol update nodename={node} state=drain reason=test")
    yield "n2"
    bed.sh("n2", "umount /proc/cpuinfo")
    for node in bed.nodes:
        bed.run("ctl", "scontrol", "update", f"nodename={node}", "state=resume")


def resume_instead(bed, node, of):
    bed.sh("ctl", f"scontrol update nodename={of} state=drain reason=test")
    bed.sh("ctl", f"scontrol update nodename={node} state=resume")


def test_a_lesser_processor_is_refused_and_another_one_found(bed, lesser_node, same_as_undisturbed, undisturbed):
    script = counting(40)
    undisturbed(script)  # on n1, while that is the only one
    job = bed.submit(script, "--checkpoint-every=1h")
    assert job.wait_running() == "n1"
    job.wait_lines(8)
    resume_instead(bed, lesser_node, of="n1")
    job.requeue()
    refusal = "error: this job cannot be resumed on n2, another node is tried: checkpoint 1: the processor of n2 lacks "
    eventually(lambda: refusal in job.raw_output(), 60, "the lesser node is refused")
    eventually(lambda: job.state() == "PENDING" and job.field("ExcNodeList") == "n2", 60, "the job keeps off it")
    bed.sh("ctl", "scontrol update nodename=n3 state=resume")
    same_as_undisturbed(job, script)
    assert job.field("BatchHost") == "n3"
    assert "goes on from checkpoint 1 on n3" in job.raw_output()


def test_a_job_that_insists_on_the_lesser_node_is_held(bed, lesser_node):
    job = bed.submit(counting(40), "--checkpoint-every=1h")
    job.wait_running()
    job.wait_lines(8)
    resume_instead(bed, lesser_node, of="n1")
    bed.sh("ctl", f"scontrol requeuehold {job.id}")
    eventually(lambda: job.state() == "PENDING", 60, "it is back in the queue")
    bed.sh("ctl", f"scontrol update job {job.id} reqnodelist=n2 && scontrol release {job.id}")
    reason = "checkpoint 1: the processor of n2 lacks "

    def record():
        return bed.sh("ctl", f"scontrol -o show job {job.id}")

    eventually(lambda: f"Comment=stasis: held: {reason}" in record(), 60, "it is held, with the reason")
    assert f"error: this job cannot be resumed, so it is held and nothing is lost: {reason}" in job.raw_output()
    assert job.checkpoints() == 1
