"""Whatever dies in between - a node, the daemon, the job itself - nothing is lost, doubled or left behind."""

import random
import time

import pytest

from bed import counting, eventually

# Holds enough memory that a dump of it takes long enough to be caught in the middle.
BIG = """#!/usr/bin/env python3
import hashlib, os, sys, time
blob = os.urandom(1 << 20) * {mib}
seen = hashlib.sha256(b"start")
for i in range({steps}):
    seen.update(str(i).encode())
    print("step", i, seen.hexdigest()[:16], len(blob), flush=True)
    time.sleep(0.25)
sys.exit(7)
"""


def big(steps=60, mib=300):
    return BIG.format(steps=steps, mib=mib)


def processes(bed, node, name):
    return bed.run(node, "pgrep", "-x", name).stdout.split()


def nothing_left(bed, node):
    """No process, no private /tmp, no image of any job."""

    left = None

    def clean():
        nonlocal left
        look = "pgrep -l 'stasis-(init|shim|anchor|worker)|criu'; ls -d /tmp/.stasis-* /var/lib/stasis/local/*"
        left = bed.run(node, "sh", "-c", look).stdout
        return left == ""

    eventually(clean, 60, lambda: f"nothing of any job is left on {node}: {left}")


@pytest.mark.parametrize("seed", range(5))
def test_node_killed_at_a_random_moment(bed, undisturbed, seed):
    """Four jobs on two nodes that lose power, one after the other: twenty jobs over the five seeds. The first time Slurm
    finds out by itself. One that was done before its node died has only to be right."""
    chance = random.Random(seed)
    script = counting(120)
    expected = undisturbed(script)
    jobs = [bed.submit(script, "--checkpoint-every=3s", "-x", "n3") for _ in range(4)]
    for job in jobs:
        job.wait_running()
        job.wait_checkpoint(1)
    wrote = {}
    for node in chance.sample(["n1", "n2"], 2):
        moment = time.monotonic() + chance.uniform(0, 4)
        eventually(lambda: time.monotonic() > moment, 10, "the moment has come")
        for job in jobs:
            if job.node() == node:
                wrote[job.id] = len(job.output())
        if seed == 0:
            bed.kill(node)
        else:
            bed.lose(node)
    for job in jobs:
        eventually(lambda: job.id not in wrote or job.restarts() == 1, 150, f"Slurm has given job {job.id} up for lost")
    for node in ("n1", "n2"):
        bed.give_back(node)
    assert wrote, "somebody was hit"
    for job in jobs:
        assert job.wait_end(240) == expected[1]
        assert job.output() == expected[0], "the whole output, once and in order"
        assert job.restarts() == (1 if job.id in wrote else 0)
        if job.id not in wrote:
            continue
        assert "goes on from checkpoint" in job.raw_output()
        # It went on from a line that is at most one interval, and the dump at its end, before the cut.
        lines = job.raw_output().splitlines()
        resumed_at = next(i for i, line in enumerate(lines) if "goes on from checkpoint" in line)
        assert wrote[job.id] - resumed_at <= (3 + 3) / 0.25


def test_a_job_comes_back_to_the_node_that_lost_power(bed, same_as_undisturbed):
    """Slurm's copy of the script has got onto the disk and the step's socket has not, by which slurmd finds what to clean
    up; and slurmstepd does not write over a script."""
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=3s", "-w", "n1")
    job.wait_checkpoint(1)
    bed.sh("n1", f"cd /var/spool/slurmd && test -s job{job.id:05}/slurm_script && rm n1_{job.id}.* && sync")
    bed.lose("n1")
    bed.give_back("n1")
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint" in job.raw_output()
    assert "removed 1 batch scripts that Slurm left" in bed.log("n1")


@pytest.mark.parametrize("moment", ["running", "dumping", "restoring"])
def test_cancelled_job_ends_and_leaves_nothing(bed, moment):
    # Restored where it was, so that one command sees all of it: looks from outside would come too late.
    where = ["-w", "n1"] if moment == "restoring" else []
    job = bed.submit(big(), "--checkpoint-every=1h", "--mem=1000", *where)
    node = job.wait_running()
    job.wait_lines(4)
    if moment == "dumping":
        asked = bed.run(node, "sh", "-c", f"stasis checkpoint {job.id} >/dev/null 2>&1 & until pgrep -x criu.real >/dev/null; do :; done")
        assert asked.returncode == 0
    if moment == "restoring":
        bed.sh(node, f"stasis checkpoint --requeue {job.id} && until pgrep -f '[c]riu.real restore' >/dev/null; do :; done")
    job.cancel()
    state, _ = job.wait_end(60)
    assert state == "CANCELLED"
    for name in bed.nodes:
        nothing_left(bed, name)
    eventually(lambda: not bed.stores(job), 60, "its checkpoints are removed")
    assert job.restarts() == (1 if moment == "restoring" else 0), "what its user cancelled is not requeued"


def test_cancelled_payload_gets_its_signal(bed):
    script = "#!/bin/bash\ntrap 'echo got TERM; exit 3' TERM\necho ready\nfor i in $(seq 1 200); do sleep 0.1; done\n"
    job = bed.submit(script, "--checkpoint-every=1h")
    job.wait_lines(1)
    job.cancel()
    job.wait_end()
    assert job.output() == ["ready", "got TERM"]


@pytest.mark.parametrize("moment", ["running", "dumping", "restoring"])
def test_daemon_killed(bed, same_as_undisturbed, moment):
    script = big(steps=80)
    job = bed.submit(script, "--checkpoint-every=1h", "--mem=1000")
    node = job.wait_running()
    job.wait_lines(4)
    kill = "kill -9 $(pgrep -o -x stasisd)"
    if moment == "running":
        bed.sh(node, kill)
    if moment == "dumping":
        bed.run(node, "sh", "-c", f"stasis checkpoint {job.id} >/dev/null 2>&1 & until pgrep -x criu.real >/dev/null; do :; done; {kill}")
        # The worker is on its own now, and finishes what it began.
        job.wait_checkpoint(1)
    if moment == "restoring":
        bed.sh(node, f"stasis checkpoint --requeue {job.id}")
        node = job.wait_running(restarts=1)
        bed.run(node, "sh", "-c", f"until pgrep -x stasis-init >/dev/null; do :; done; {kill}")
    # One that had not yet met the first daemon is new to the second.
    known = [f"job={job.id}.batch {words}" for words in ("capsule is back", "restored")]
    eventually(lambda: any(words in bed.log(node) for words in known), 60, "the daemon knows the capsule again")
    eventually(lambda: bed.run(node, "stasis", "checkpoint", str(job.id)).returncode == 0, 60, "a checkpoint can be made again")
    same_as_undisturbed(job, script, "--mem=1000")
    nothing_left(bed, node)


def test_controller_away_around_a_checkpoint(bed, same_as_undisturbed):
    script = counting(320)
    job = bed.submit(script, "--checkpoint-every=5s")
    node = job.wait_running()
    job.wait_checkpoint(1)
    before = bed.log(node).count(f"job={job.id}.batch checkpoint")
    bed.service("ctl", "down", "slurmctld")
    away = time.monotonic()
    eventually(lambda: bed.log(node).count(f"job={job.id}.batch checkpoint") >= before + 2, 150, "checkpoints are made all the same")
    eventually(lambda: time.monotonic() - away > 60, 90, "slurmctld has been away for a minute")
    bed.service("ctl", "up", "slurmctld")
    eventually(lambda: "UP" in bed.run("ctl", "scontrol", "ping").stdout, 60, "slurmctld is back")
    job.requeue()
    same_as_undisturbed(job, script, timeout=240)
    assert job.restarts() == 1


def test_daemon_away_when_a_new_job_starts(bed, same_as_undisturbed):
    script = counting(60)
    for node in bed.nodes:
        bed.service(node, "down", "stasisd")
    try:
        job = bed.submit(script, "--checkpoint-every=2s")
        node = job.wait_running()
        job.wait_lines(4)
        assert "not protected" in job.raw_output()
    finally:
        for name in bed.nodes:
            bed.service(name, "up", "stasisd")
    # And is protected from then on.
    job.wait_checkpoint(1)
    job.requeue()
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint" in job.raw_output()


def test_daemon_away_when_a_job_with_a_checkpoint_starts(bed, same_as_undisturbed):
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(4)
    others = [name for name in bed.nodes if name != node]
    for name in others:
        bed.service(name, "down", "stasisd")
    try:
        bed.sh(node, f"stasis checkpoint --requeue {job.id}")
        job.wait_running(restarts=1)
    finally:
        for name in others:
            bed.service(name, "up", "stasisd")
    # It has waited for the daemon rather than start over.
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint 1" in job.raw_output()


def damage(bed, job, generation, file="pack"):
    bed.sh("ctl", f"cd /scratch/stasis/bed/1001/{job.id}-*/batch/gen-{generation:06} && printf XXXX | dd of={file} conv=notrunc bs=1 seek=1000 2>/dev/null")


STREAMED_IN_VAIN = "does not restore while it is fetched, so it is fetched first"


# Memory is restored while it is fetched: that it is damaged shows when criu is at work.
@pytest.mark.parametrize("file, tries", [("pack", 0), ("shared-pages-2", 1)])
def test_damaged_checkpoint_gives_way_to_the_one_before(bed, same_as_undisturbed, file, tries):
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    for number in (1, 2):
        job.wait_lines(4 * number)
        bed.sh(node, f"stasis checkpoint {job.id}")
    damage(bed, job, 2, file)
    bed.lose(node)
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint 1" in job.raw_output()
    told = [line for name in bed.nodes if name != node for line in bed.log(name).splitlines() if f"job={job.id}." in line]
    assert sum(STREAMED_IN_VAIN in line for line in told) == tries
    assert sum("shared-pages-2: block 0: " in line for line in told) == tries, "and why is in the log"
    bed.give_back(node)


def test_a_node_whose_disk_is_full_hands_the_job_on(bed, same_as_undisturbed):
    script = big()
    job = bed.submit(script, "--checkpoint-every=1h", "--mem=500")
    first = job.wait_running()
    job.wait_lines(4)
    full, third = (name for name in bed.nodes if name != first)
    bed.sh("ctl", f"scontrol update nodename={third} state=drain reason=test")
    # A tenth of what the job's memory needs, whole or as it is read.
    bed.sh(full, "mount -t tmpfs -o size=30m,mode=700 none /var/lib/stasis/local")
    try:
        bed.sh(first, f"stasis checkpoint --requeue {job.id}")
        same_as_undisturbed(job, script, "--mem=500")
    finally:
        bed.sh(full, "umount -l /var/lib/stasis/local")
        bed.sh("ctl", f"scontrol update nodename={third} state=resume")
    assert f"goes on from checkpoint 1 on {first}" in job.raw_output() and job.restarts() == 2
    told = bed.log(full)
    assert STREAMED_IN_VAIN in told
    assert f"job={job.id}.batch not resumed: checkpoint 1: write an image: No space left on device" in told


def test_job_without_a_usable_checkpoint_is_held_with_the_reason(bed):
    job = bed.submit(counting(200), "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(4)
    bed.sh(node, f"stasis checkpoint {job.id}")
    damage(bed, job, 1)
    bed.lose(node)
    eventually(lambda: "held" in (job.field("Reason") or "") or job.field("Priority") == "0", 150, "the job is held")
    assert "checkpoint 1: " in bed.sh("ctl", f"scontrol show job {job.id} | grep ' Comment'")
    eventually(lambda: "nothing is lost" in job.raw_output(), 20, "the user is told")
    bed.give_back(node)


def test_what_nobody_removed_is_pruned_and_what_runs_is_kept(bed):
    """A job that is cancelled while it waits to go on leaves its checkpoints behind; `stasis prune`, and the daemons once
    a day, remove them."""
    living = bed.submit(counting(400), "--checkpoint-every=1h", "-w", "n1")
    waiting = bed.submit(counting(400), "--checkpoint-every=1h", "-w", "n2")
    for job, node in ((living, "n1"), (waiting, "n2")):
        job.wait_running()
        job.wait_lines(2)
        bed.sh(node, f"stasis checkpoint {job.id}")
    # Whoever looks after its end dies with the node.
    bed.lose("n2")
    eventually(lambda: waiting.state() == "PENDING", 90, "it waits for its node")
    waiting.cancel()
    bed.give_back("n2")

    assert bed.stores(living) and bed.stores(waiting)
    assert bed.run("n3", "stasis", "prune", user="alice").returncode == 1
    eventually(lambda: "removed" in bed.sh("n3", "stasis prune --idle=1s") and not bed.stores(waiting), 60, "it is pruned")
    assert bed.stores(living)
    living.cancel()


def test_checkpoints_in_a_directory_of_the_users(bed, same_as_undisturbed):
    script = counting(40)
    job = bed.submit(script, "--checkpoint-every=1h", "--checkpoint-dir=/home/alice/checkpoints")
    node = job.wait_running()
    job.wait_lines(4)
    bed.sh(node, f"stasis checkpoint {job.id}")
    owner = bed.sh("ctl", f"stat -c %U /home/alice/checkpoints/bed/1001/{job.id}-*/batch/gen-000001/manifest")
    assert owner == "alice"
    assert not bed.stores(job)
    job.requeue()
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint 2" in job.raw_output()
    eventually(lambda: bed.run("ctl", "ls", "/home/alice/checkpoints/bed/1001").stdout == "", 30, "it is removed at the end")


def test_what_cannot_be_dumped_runs_on_unharmed(bed, undisturbed):
    """A POSIX message queue: CRIU refuses it, the job does not notice, and the daemon's log names the reason."""
    script = """#!/usr/bin/env python3
import ctypes, os, sys, time
queue = ctypes.CDLL("librt.so.1", use_errno=True).mq_open(b"/held", os.O_CREAT | os.O_RDWR, 0o600, None)
for i in range(24):
    print("step", i, queue >= 0, flush=True)
    time.sleep(0.25)
sys.exit(7)
"""
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(2)
    asked = bed.run(node, "stasis", "checkpoint", str(job.id))
    assert asked.returncode == 1
    assert asked.stderr.strip().startswith(f"stasis: job {job.id}.batch: ")
    assert (job.wait_end(), job.output()) == (undisturbed(script)[1], undisturbed(script)[0])
    assert f"job={job.id}.batch checkpoint (requested) skipped: " in bed.log(node)
    assert job.restarts() == 0
