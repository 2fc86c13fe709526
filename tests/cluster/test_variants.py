"""The same on sites that are set up otherwise: the bed is started anew with another configuration, and at last as usual."""

import subprocess

import pytest

from bed import CLUSTER, counting, eventually

# What it keeps in its /tmp moves along, whoever made that /tmp private.
WITH_TMP = """#!/bin/bash
echo start >/tmp/sum
for i in $(seq 1 40); do
  (cat /tmp/sum; echo $i) | sha256sum | cut -c1-16 >/tmp/new
  mv /tmp/new /tmp/sum
  echo "step $i $(cat /tmp/sum)"
  sleep 0.25
done
exit 7
"""


@pytest.fixture(scope="module", params=["tmpfs", "linuxproc"])
def variant(request, whole_bed):
    subprocess.run([CLUSTER, "up", "--with", request.param], check=True)
    yield request.param


@pytest.fixture(scope="module", autouse=True)
def as_usual_afterwards(whole_bed):
    yield
    subprocess.run([CLUSTER, "up", "--with", "none"], check=True)


def test_the_variant_is_in_force(bed, variant):
    config = bed.sh("ctl", "scontrol show config")
    words = {"tmpfs": "JobContainerType        = job_container/tmpfs", "linuxproc": "ProctrackType           = proctrack/linuxproc"}
    assert words[variant] in config


@pytest.mark.parametrize("script", [counting(40), WITH_TMP], ids=["counting", "private-tmp"])
def test_interval_and_requeue(bed, variant, same_as_undisturbed, script):
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 1
    assert "goes on from checkpoint" in job.raw_output()


def test_requeue_by_its_user(bed, variant, same_as_undisturbed):
    """With proctrack/linuxproc every process gets Slurm's SIGTERM at once and the script ends of it; what was checkpointed
    at the interval before is what it goes on from."""
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=3s")
    job.wait_checkpoint(1)
    job.requeue()
    job.wait_running(restarts=1)
    eventually(lambda: "goes on from checkpoint" in job.raw_output(), 30, "it goes on where it was")
    same_as_undisturbed(job, script)
