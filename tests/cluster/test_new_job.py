"""A new job goes on from a checkpoint of one that is over: sbatch --checkpoint-from, and stasis restart --new."""

import json
import re

import pytest

from bed import Failed, Job, counting, eventually

SCRIPT = counting(200)
# What the new job is submitted with: not a line of it is ever run.
NEVER = "#!/bin/bash\necho from the beginning\nexit 1\n"


def other_than(bed, node):
    return next(name for name in bed.nodes if name != node)


def generations(bed, job):
    """The names and contents of all that the store has of that job."""
    found = bed.sh("ctl", f"cd /scratch/stasis/bed/*/{job.id}-* && find . -type f -exec sha256sum {{}} + | sort -k 2")
    assert found
    return found


def goes_on(job, words, timeout=90):
    eventually(lambda: f"job {job.id} goes on from {words} on" in job.raw_output(), timeout, lambda: f"{words}\n{job.trail()}")


def wait_held(job):
    eventually(lambda: job.field("Priority") == "0" and job.state() == "PENDING", 60, lambda: f"job {job.id} is held\n{job.trail()}")
    assert "from the beginning" not in job.raw_output()
    return job.raw_output()


@pytest.fixture
def truth(undisturbed):
    """The output and the end of what nobody disturbs. Before anything else: it takes its time."""
    return undisturbed(SCRIPT)


@pytest.fixture
def old(bed, truth):
    """Of alice, with the checkpoints 1, 2 and 3; its node."""
    job = bed.submit(SCRIPT, "--checkpoint-every=1h", "--checkpoint-keep=5", "--job-name=old one")
    job.last_node = job.wait_running()
    for number in (1, 2):
        job.wait_lines(8 * number)
        bed.sh(job.last_node, f"stasis checkpoint {job.id}")
    return job


def test_it_goes_on_elsewhere_and_then_from_its_own(bed, old, truth):
    output, end = truth
    old.end_with_checkpoints()
    before = generations(bed, old)
    new = bed.submit(NEVER, f"--checkpoint-from={old.id}", "-x", old.last_node)
    goes_on(new, f"checkpoint 3 of job {old.id}")
    node = new.node()
    assert node != old.last_node
    bed.sh(node, f"stasis checkpoint {new.id}", user="alice")
    assert generations(bed, old) == before
    # Nothing of the old job is needed any more.
    bed.sh("ctl", f"rm -r /scratch/stasis/bed/*/{old.id}-*")
    new.requeue()
    goes_on(new, "checkpoint 2")
    assert new.node() not in (node, old.last_node)
    assert new.wait_end() == end
    # The program's output is where it was; the new job's own has what Stasis says of it.
    assert old.output() == output and new.output() == []


def test_it_goes_on_from_the_one_that_was_named_and_from_there_again_without_its_own(bed, old, truth):
    output, end = truth
    old.end_with_checkpoints()
    new = bed.submit(NEVER, f"--checkpoint-from={old.id}:1", "-x", old.last_node)
    goes_on(new, f"checkpoint 1 of job {old.id}")
    node = new.node()
    before = generations(bed, old)
    bed.lose(node)
    try:
        # Without a checkpoint of its own it waits for Slurm's two minutes.
        new.wait_left(restarts=0)
        bed.sh("ctl", f"scontrol update jobid={new.id} starttime=now")
        eventually(lambda: new.raw_output().count(f"goes on from checkpoint 1 of job {old.id}") == 2, 90, lambda: f"again\n{new.trail()}")
        assert new.wait_end() == end
    finally:
        bed.give_back(node)
    assert old.output() == output and generations(bed, old) == before


def test_it_waits_held_as_long_as_the_old_job_may_write_the_same_files(bed, old, truth):
    output, end = truth
    new = bed.submit(NEVER, f"--checkpoint-from={old.id}", "--restore-failure=restart")
    said = wait_held(new)
    assert f"job {old.id} is RUNNING, and both would write the same files" in said
    assert "held: --checkpoint-from=" in bed.sh("ctl", f"scontrol show job {new.id}")
    old.end_with_checkpoints()
    bed.sh("ctl", f"scontrol release {new.id}", user="alice")
    goes_on(new, f"checkpoint 3 of job {old.id}")
    assert new.wait_end() == end and old.output() == output


def test_it_is_held_without_such_a_checkpoint_or_with_anothers(bed, old):
    old.end_with_checkpoints()
    before = generations(bed, old)
    missing = bed.submit(NEVER, f"--checkpoint-from={old.id}:9")
    of_bob = bed.submit(NEVER, f"--checkpoint-from={old.id}", user="bob")
    array = bed.submit(NEVER, f"--checkpoint-from={old.id}", "--array=1", "-o", "%A.out")
    assert f"no checkpoint 9 of a job {old.id} of this user" in wait_held(missing)
    assert f"no checkpoint of the script of a job {old.id} of this user" in wait_held(of_bob)
    eventually(lambda: "the tasks of an array cannot go on from one checkpoint" in array.raw_output(), 60, array.trail)
    assert generations(bed, old) == before


def test_what_makes_no_sense_is_refused_at_once(bed):
    for words, sentence in (
        (["--checkpoint-from=812_7"], "has a job number of its own"),
        (["--checkpoint-from=last"], "neither a job's number nor JOB:CHECKPOINT"),
        (["--checkpoint-from=812", "--checkpoint-every=off"], "leave --checkpoint-every=off out"),
        (["--checkpoint-from=812", "--checkpoint-method=signal"], "leave --checkpoint-method=signal out"),
    ):
        with pytest.raises(Failed, match=re.escape(sentence)):
            bed.submit(NEVER, *words)
    done = bed.run("ctl", "srun", "--checkpoint-from=812", "true", user="alice")
    assert done.returncode != 0 and "--checkpoint-from is for batch scripts" in done.stderr


def test_restart_new_submits_what_the_old_job_was(bed, old, truth):
    output, end = truth
    done = bed.run("n1", "stasis", "restart", str(old.id), "--new", user="alice")
    assert done.returncode == 1 and "is RUNNING, and both would write the same files" in done.stderr
    old.end_with_checkpoints()
    assert "not yours" in bed.run("n1", "stasis", "restart", str(old.id), "--new").stderr
    assert bed.run("n1", "stasis", "restart", f"{old.id}:9", "--new", user="alice").returncode == 1
    node = other_than(bed, old.last_node)
    words = ["restart", f"{old.id}:2", "--new", "--json", "--", "-w", node, "--comment=mine"]
    done = bed.run("n1", "stasis", *words, user="alice")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["from"], told["checkpoint"]) == (old.id, 2)
    new = Job(bed, told["job"])
    for field in ("Partition", "TimeLimit", "WorkDir", "StdOut", "StdErr", "NumCPUs"):
        assert new.field(field) == old.field(field), field
    shown = bed.sh("ctl", f"scontrol show job {new.id}")
    assert "JobName=old one" in shown and "Comment=mine" in shown
    assert new.wait_end() == end
    # In one file, as if it had been one job.
    assert old.output() == output
    assert f"job {new.id} goes on from checkpoint 2 of job {old.id} on {node}" in old.raw_output()


STEPS = """#!/bin/bash
for i in $(seq 1 40); do echo "step $i"; sleep 0.25; done
echo "as $SLURM_JOB_ID"
srun --overlap bash -c 'echo "in $SLURM_JOB_ID"'
. "$STASIS_ENV"
echo "now $SLURM_JOB_ID, from $STASIS_CHECKPOINT_FROM, $(env | grep -c checkpoint_from)"
"""


def test_its_srun_runs_in_the_new_job(bed):
    old = bed.submit(STEPS, "--checkpoint-every=1h")
    old.wait_running()
    old.wait_lines(4)
    old.end_with_checkpoints()
    new = bed.submit(NEVER, f"--checkpoint-from={old.id}")
    assert new.wait_end() == ("COMPLETED", "0:0")
    assert old.output()[-3:] == [f"as {old.id}", f"in {new.id}", f"now {new.id}, from {old.id}, 0"]
