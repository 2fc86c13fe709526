"""What it costs, measured on the bed and printed at the end of the run. The limits here are for machines that are busy
with other things, too; the goals are printed beside the figures."""

import re
import statistics
from datetime import datetime

from bed import counting, eventually


def moments(bed, node, pattern):
    """The times in the node's daemon log of the lines that match."""
    found = []
    for line in bed.log(node).splitlines():
        if re.search(pattern, line):
            found.append(datetime.fromisoformat(line.split()[0][:26]).timestamp())
    return found


def test_from_the_end_of_the_interval_to_running_elsewhere(bed, same_as_undisturbed, figure):
    script = counting(60, pause=0.3)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    begun, running = [], []
    for node in bed.nodes:
        for line in bed.log(node).splitlines():
            if f"job={job.id}.batch checkpoint" in line and " done " in line:
                took = float(re.search(r" in ([0-9.]+) s", line).group(1))
                begun.append(datetime.fromisoformat(line.split()[0][:26]).timestamp() - took)
        running += moments(bed, node, f"job={job.id}.batch restored")
    hops = [after - before for before, after in zip(sorted(begun), sorted(running))]
    assert len(hops) >= 3
    median = statistics.median(hops)
    figure("hop_seconds", median, f"from the end of the interval to running elsewhere: median {median:.2f} s of {len(hops)} hops (goal: 5 s)")
    assert median < 15


def test_overhead_on_job_start(bed, figure):
    """Interleaved, so that whatever else the machine does hits both."""
    script = """
for i in $(seq 1 15); do
  for every in off 1h; do
    begun=$(date +%s%N)
    srun --checkpoint-every=$every true 2>/dev/null
    echo "$every $(( ($(date +%s%N) - begun) / 1000 ))"
  done
done
"""
    protected = bed.log("n1").count(" starts, checkpointed every 1h")
    lines = bed.sh("ctl", f"salloc -Q -w n1 --mem=100 bash -c '{script}'", user="alice").splitlines()
    times = {"off": [], "1h": []}
    for line in lines:
        every, microseconds = line.split()
        times[every].append(int(microseconds) / 1000)
    assert len(times["off"]) == len(times["1h"]) == 15
    assert bed.log("n1").count(" starts, checkpointed every 1h") - protected == 15, "half of them had a capsule"
    overhead = statistics.median(times["1h"]) - statistics.median(times["off"])
    beside = statistics.median(times["off"])
    figure("start_overhead_ms", overhead, f"a protected step's start and end takes {overhead:.0f} ms more than the {beside:.0f} ms of srun alone (goal: 50 ms)")
    assert overhead < 500


def requests_about_jobs(bed):
    """How many requests of the kinds that scontrol makes about one job slurmctld has had."""
    text = bed.sh("ctl", "sdiag")
    kinds = ("REQUEST_JOB_INFO_SINGLE", "REQUEST_UPDATE_JOB", "REQUEST_JOB_REQUEUE", "REQUEST_PARTITION_INFO", "REQUEST_FED_INFO")
    return sum(int(count) for kind in kinds for count in re.findall(rf"{kind}\s+\(\s*\d+\)\s+count:(\d+)", text))


def test_requests_to_the_controller(bed, figure):
    """Only the daemon's log is looked at meanwhile: a question to Slurm would count."""
    job = bed.submit("#!/bin/sh\nwhile :; do sleep 1; done\n", "--checkpoint-every=2s")
    node = job.wait_running()

    def made():
        return bed.log(node).count(f"job={job.id}.batch checkpoint")

    eventually(lambda: made() >= 2, 60, "two checkpoints")
    first, before = made(), requests_about_jobs(bed)
    eventually(lambda: made() >= first + 10, 120, "ten more checkpoints")
    last, after = made(), requests_about_jobs(bed)
    job.cancel()
    per_checkpoint = (after - before) / (last - first)
    per_hour = per_checkpoint * 60 / 45
    figure("requests_per_checkpoint", per_checkpoint, f"requests to slurmctld: {per_checkpoint:.1f} per checkpoint, {per_hour:.1f} per job and hour at an interval of 45 min")
    assert per_checkpoint <= 3
