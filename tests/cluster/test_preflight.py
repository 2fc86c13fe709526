"""A job that cannot be checkpointed is known early, and its user is told why."""

import json
import time

# A message queue is something that CRIU cannot dump.
UNDUMPABLE = """#!/usr/bin/env python3
import ctypes, time
assert ctypes.CDLL(None).mq_open(b"/queue", 0o102, 0o600, None) >= 0
for step in range({steps}):
    print("step", step, flush=True)
    time.sleep(0.25)
"""


def test_the_first_checkpoint_comes_early_and_does_not_requeue(bed):
    job = bed.submit("#!/bin/sh\nsleep 600\n", "-p", "preempt-grace", "--checkpoint-every=1h", "--requeue-on-ckpt")
    node = job.wait_running()
    job.wait_checkpoint(1, timeout=20)
    assert job.restarts() == 0 and job.node() == node
    assert "checkpoint 1 (first) done" in bed.log(node)
    # The interval goes on from the job's start.
    jobs = json.loads(bed.sh(node, "stasis list --json", user="alice"))["jobs"]
    assert 3600 * 0.85 < jobs[0]["next_due"] - time.time() <= 3600


def test_a_job_that_cannot_be_checkpointed_says_so_once_and_runs_on(bed):
    job = bed.submit(UNDUMPABLE.format(steps=40), "-p", "preempt-grace", "--checkpoint-every=3s")
    assert job.wait_end() == ("COMPLETED", "0:0")
    said = [line for line in job.raw_output().splitlines() if line.startswith("stasis: warning: no checkpoint was made, the job runs on: ")]
    assert len(said) == 1, "tried at each interval, told once"
    assert len(job.output()) == 40
