"""A script that was written for a site's own tool runs as it is: no option and no variable when it is submitted."""

from bed import Job

SCRIPT = """#!/bin/bash

#SBATCH --requeue
#SBATCH --open-mode=append

export SLURM_CHECKPOINT={every}

checkpointer
{program}
"""

# Opens its file for each line, on the node's own disk, and says where it runs and as what.
LOOPER = """#!/usr/bin/python3
import os, socket, time
name = os.environ["TMPDIR"] + "/looper.txt"
for step in range(1, 49):
    line = f"step {step} node:{socket.gethostname()} pid:{os.getpid()}"
    with open(name, "a") as file:
        print(line, file=file)
    print(line, flush=True)
    time.sleep(0.25)
"""


def submit(bed, script, variables=""):
    """(Job, what sbatch said on stderr)"""
    bed.run("ctl", "tee", "runscript.sh", user="alice", input=script)
    done = bed.run("ctl", "bash", "-c", f"{variables} sbatch --parsable -o %j.out -t 0-1:00 runscript.sh", user="alice")
    assert done.returncode == 0, done.stderr
    return Job(bed, int(done.stdout)), done.stderr


def test_a_sites_script_is_checkpointed_requeued_and_resumed_as_it_is(bed):
    bed.run("ctl", "tee", "looper.py", user="alice", input=LOOPER)
    bed.sh("ctl", "chmod 755 looper.py; rm -rf results", user="alice")
    job, said = submit(bed, SCRIPT.format(every="0-0:00:05", program="./looper.py"), "RESULT_FOLDER=$PWD/results SITE_TMPDIR=1")
    assert "warning" not in said
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.restarts() >= 1 and job.checkpoints() >= 1
    lines = job.output()
    assert [line.split()[1] for line in lines] == [str(step) for step in range(1, 49)]
    # One process all the time, on more than one node, of a script that has run once.
    assert len({line.split("pid:")[1] for line in lines}) == 1
    assert len({line.split()[2] for line in lines}) > 1
    assert job.raw_output().count(f"stasis: job {job.id} is protected") == 1
    assert bed.sh("ctl", "cat results/looper.txt", user="alice").splitlines() == lines


def test_a_time_that_is_none_costs_the_protection_and_not_the_job(bed):
    job, said = submit(bed, SCRIPT.format(every="soon", program="srun echo step\necho done"))
    assert "SLURM_CHECKPOINT in the script is ignored" in said and "'soon'" in said
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert {"step", "done"} <= set(job.output())
    assert "checkpointer: this job is not protected" in job.raw_output()
