"""Programs as Debian has them, run by a user in a batch script, are moved from node to node and do not notice."""

import io
import re
import statistics
import subprocess
import tarfile
import time

import pytest

from bed import CLUSTER, Job, eventually
from workload import workloads

# A quarter of the time that it takes undisturbed, so that on a faster machine, too, it moves twice before it is done.
AT_MOST_EVERY = 4
QUARTERS = 4


def submit(bed, workload, run, *options):
    """In a copy of its folder, whose path is the same for all runs but for its last part."""
    place = f"workloads/{workload.name}/{run}"
    bed.sh("ctl", f"chmod -Rf u+rwx {place}; rm -rf {place} && mkdir -p {place}", user="alice")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(workload.folder, arcname=".")
        for file in workload.borrowed:
            tar.add(file, arcname=file.name)
    unpack = [CLUSTER, "exec", "ctl", "-u", "alice", "--", "tar", "-C", place, "--no-same-owner", "-xf", "-"]
    subprocess.run(unpack, input=packed.getvalue(), check=True)
    words = ["sbatch", "--parsable", "-o", "/home/alice/%j.out", "-D", f"/home/alice/{place}", "-J", workload.name]
    words += [f"--export=ALL,VARIANT={workload.variant}"] if workload.variant else []
    done = bed.run("ctl", *words, *options, f"{place}/job.sh", user="alice")
    assert done.returncode == 0, done.stderr
    return Job(bed, int(done.stdout))


def undisturbed(bed, workload, row):
    """(output, end, seconds) of an uninterrupted run; the row learns how many processes and threads it had at most."""
    job = submit(bed, workload, "undisturbed", "--checkpoint-every=off")
    node = job.wait_running()
    begun = time.monotonic()

    def has_ended():
        if job.state() not in ("RUNNING", "COMPLETING", "PENDING"):
            return True
        threads = [int(n) for n in bed.run(node, "ps", "-u", "alice", "-o", "nlwp=").stdout.split()]
        row["processes"] = max(row["processes"] or 0, len(threads))
        row["threads"] = max(row["threads"] or 0, sum(threads))
        return False

    eventually(has_ended, 300, f"the end of the undisturbed job {job.id}")
    return job.output(), job.wait_end(), time.monotonic() - begun


def end_of(job):
    """As wait_end(); a job that is held because it could not be resumed waits for ever."""

    def has_ended():
        state = job.state()
        assert state != "PENDING" or "held" not in (job.field("Reason") or "").lower(), job.trail()
        return state not in ("PENDING", "RUNNING", "COMPLETING")

    eventually(has_ended, 600, lambda: f"the end of job {job.id}\n{job.trail()}")
    return job.wait_end()


def note_checkpoints(bed, job, row):
    """From the daemons' logs: what the last checkpoint had, and for how long the job stood still at each."""
    found = []
    for node in bed.nodes:
        pattern = rf"job={job.id}\.batch checkpoint (\d+) .* done .* frozen ([0-9.]+) s; bytes=(\d+)"
        found += [(int(number), float(frozen), int(size)) for number, frozen, size in re.findall(pattern, bed.log(node))]
    if found:
        row["bytes"] = max(found)[2]
        row["frozen"] = statistics.median(frozen for _, frozen, _ in found)


@pytest.mark.parametrize("workload", workloads(), ids=lambda workload: workload.name)
def test_workload(bed, workload, rows):
    row = rows.add(workload.name, what=workload.what)
    output, end, seconds = undisturbed(bed, workload, row)
    assert end == ("COMPLETED", "0:0") and output, "\n".join(output[-20:])
    every = max(1, min(AT_MOST_EVERY, int(seconds / QUARTERS)))
    job = submit(bed, workload, "moved", f"--checkpoint-every={every}s", "--requeue-on-ckpt")
    if workload.refused:
        node = job.wait_running()
        eventually(lambda: "stasis: warning: " in job.raw_output(), 60, "its user is told")
        check = bed.run(node, "stasis", "check", str(job.id), user="alice")
        assert workload.refused in check.stdout + check.stderr
    assert end_of(job) == end
    row["moves"] = job.restarts()
    note_checkpoints(bed, job, row)
    assert job.output() == output
    if workload.refused:
        warnings = [line for line in job.raw_output().splitlines() if line.startswith("stasis: warning: no checkpoint was made, the job runs on: ")]
        assert len(warnings) == 1 and workload.refused in warnings[0]
        assert row["moves"] == 0
        row["verdict"] = f"refused: {workload.refused}"
        return
    assert row["moves"] >= 2
    if workload.by_signal:
        # Where it starts again is Slurm's choice.
        row["verdict"] = "went on by itself"
        return
    nodes = bed.sh("ctl", f"sacct -n -P -X --duplicates -j {job.id} -o nodelist").split()
    assert all(a != b for a, b in zip(nodes, nodes[1:])), f"each run on another node than the one before: {nodes}"
    # A script that the moves found at its beginning again would have the same output, too.
    assert job.raw_output().count("goes on from checkpoint") == row["moves"]
    row["verdict"] = "moved"
