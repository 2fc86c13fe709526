"""The shared storage at its worst: root is nobody there, and it fills up, breaks, hangs and loses what it was given. Jobs go
on, and what they are resumed from is right."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from bed import TOP, counting, eventually

MOUNT = "/scratch/stasis"
BEHIND = "/scratch/behind"
FAULT = "/scratch/fault"


class Storage:
    """/scratch/stasis as tests/cluster/faulty_fs.py shows it; the store itself is in /scratch/behind."""

    def __init__(self, bed):
        self.bed = bed

    def fault(self, word):
        self.bed.sh("ctl", f"echo {word} >{FAULT}.new; mv {FAULT}.new {FAULT}")

    def part(self, job, part="batch"):
        return f"{BEHIND}/bed/1001/{job.id}-*/{part}"

    def names(self, job):
        return self.bed.run("ctl", "sh", "-c", f"ls -A {self.part(job)} 2>/dev/null").stdout.split()

    def generations(self, job):
        return [name for name in self.names(job) if name.startswith("gen-")]


@pytest.fixture
def storage(bed):
    storage = Storage(bed)
    bed.sh("ctl", f"mkdir -p {MOUNT} && rm -rf {BEHIND} && mkdir -m 1777 {BEHIND}")
    program = (TOP / "tests" / "cluster" / "faulty_fs.py").read_text()
    assert bed.run("ctl", "tee", "/scratch/faulty_fs.py", input=program).returncode == 0
    storage.fault("none")
    for node in bed.nodes:
        bed.sh(node, f"python3 /scratch/faulty_fs.py {BEHIND} {MOUNT} {FAULT} >/dev/null 2>&1")
        eventually(lambda: bed.run(node, "mountpoint", "-q", MOUNT).returncode == 0, 20, f"{MOUNT} is mounted on {node}")
    yield storage
    storage.fault("none")
    bed.sh("ctl", "scancel -u alice; scancel -u bob")
    eventually(lambda: bed.sh("ctl", "squeue -h") == "", 60, "the queue is empty")
    for node in bed.nodes:
        bed.sh(node, f"umount -l {MOUNT}")


def checkpoint(bed, job, user="root"):
    return bed.run(job.node(), "stasis", "checkpoint", str(job.id), user=user)


def move_without_a_checkpoint(bed, storage, job):
    """As when a node dies: what the job did after its last checkpoint is lost, and its files have run ahead."""
    restarts = job.restarts()
    storage.fault("full")
    job.requeue()
    job.wait_left(restarts)
    storage.fault("none")
    job.wait_running(restarts=restarts + 1)


def test_root_is_nobody_there(bed, storage):
    assert bed.run("n1", "touch", f"{MOUNT}/by-root").returncode == 0
    assert bed.sh("ctl", f"stat -c %u {BEHIND}/by-root") == "65534"
    bed.sh("n1", f"mkdir -m 700 {MOUNT}/of-alice", user="alice")
    assert bed.run("n1", "ls", f"{MOUNT}/of-alice").returncode != 0


def test_jobs_move_and_what_they_leave_is_their_own(bed, storage, same_as_undisturbed):
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    job.wait_running(restarts=1)
    assert bed.sh("ctl", f"stat -c %U {storage.part(job)}/gen-*/manifest | sort -u") == "alice"
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
    eventually(lambda: bed.run("ctl", "ls", f"{BEHIND}/bed/1001").stdout == "", 30, "its checkpoints are removed, as alice")


# Its data is where root may not look either.
DATA = """#!/usr/bin/python3
import mmap, os, time
os.makedirs("WHERE", mode=0o700, exist_ok=True)
os.chdir("WHERE")
place = open("place", "w+b", buffering=0)
log = open("log", "a")
gone = open("gone", "w+")
os.unlink("gone")
os.mkfifo("fifo")
fifo = os.open("fifo", os.O_RDWR)
for step in range(60):
    place.seek(8 * (step % 5))
    place.write(b"%7d\\n" % step)
    print(step, file=log, flush=True)
    print(step, file=gone, flush=True)
    os.write(fifo, b"%d " % step)
    print("step", step, flush=True)
    time.sleep(0.25)
place.seek(0)
gone.seek(0)
print(place.read().split(), len(open("log").readlines()), len(gone.readlines()), os.read(fifo, 4096)[-20:])
"""


def test_files_of_the_job_are_rolled_back_there(bed, storage):
    jobs = {}
    for name, every in (("usual", "off"), ("moved", "1h")):
        script = DATA.replace("WHERE", f"{MOUNT}/data-{name}")
        jobs[name] = bed.submit(script, f"--checkpoint-every={every}")
    moved = jobs["moved"]
    for hop in (1, 2):
        moved.wait_running(restarts=hop - 1)
        eventually(lambda: moved.raw_output().count("goes on from") == hop - 1, 30, "it goes on")
        kept = len(moved.output())
        moved.wait_lines(kept + 4)
        assert checkpoint(bed, moved).returncode == 0
        kept = len(moved.output())
        moved.wait_lines(kept + 4)
        move_without_a_checkpoint(bed, storage, moved)
    ends = [job.wait_end() for job in jobs.values()]
    assert ends == [("COMPLETED", "0:0")] * 2
    assert moved.output() == jobs["usual"].output()
    assert moved.restarts() == 2


@pytest.mark.parametrize("fault, why", [("full", "No space left"), ("tight", "are needed and"), ("broken", "Input/output error")])
def test_a_checkpoint_that_cannot_be_stored_harms_nothing(bed, storage, same_as_undisturbed, fault, why):
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(4)
    assert checkpoint(bed, job).returncode == 0
    storage.fault(fault)
    refused = checkpoint(bed, job)
    assert refused.returncode == 1 and why in refused.stderr
    storage.fault("none")
    assert storage.names(job) == ["gen-000001"], "the last one stands, and nothing is left of the other"
    before = len(job.output())
    job.wait_lines(before + 2, timeout=5)
    assert checkpoint(bed, job).returncode == 0
    bed.sh(node, f"stasis checkpoint --requeue {job.id}")
    same_as_undisturbed(job, script)
    assert f"job={job.id}.batch checkpoint (requested) skipped: " in bed.log(node)


def test_a_storage_that_hangs_holds_nobody_up(bed, storage, same_as_undisturbed):
    script = counting(80)
    job = bed.submit(script, "--checkpoint-every=1h", "-w", "n1")
    job.wait_running()
    job.wait_lines(4)
    storage.fault("hung")
    asked = f"stasis checkpoint {job.id} >/scratch/asked 2>&1; echo done >>/scratch/asked"
    bed.sh("n1", f"rm -f /scratch/asked; ({asked}) >/dev/null 2>&1 </dev/null &")
    before = len(job.output())
    job.wait_lines(before + 8, timeout=10)
    # Jobs start and end there meanwhile, protected ones too.
    other = bed.submit(counting(4), "--checkpoint-every=1h", "-w", "n1")
    assert other.wait_end(30) == ("FAILED", "7:0")
    assert bed.run("ctl", "cat", "/scratch/asked").stdout == ""
    storage.fault("none")
    eventually(lambda: "done" in bed.run("ctl", "cat", "/scratch/asked").stdout, 30, "the checkpoint is made after all")
    assert "checkpoint 1, " in bed.run("ctl", "cat", "/scratch/asked").stdout
    bed.sh("n1", f"stasis checkpoint --requeue {job.id}")
    same_as_undisturbed(job, script)


class Faults:
    """What happens to all jobs of a round at once. Each leaves them with a checkpoint to go on from, and running."""

    def __init__(self, bed, storage, jobs, chance):
        self.bed, self.storage, self.jobs, self.chance = bed, storage, jobs, chance

    def each(self, act):
        with ThreadPoolExecutor(len(self.jobs)) as threads:
            return list(threads.map(act, self.jobs))

    def checkpoints(self, count):
        for _ in range(count):
            for done in self.each(lambda job: checkpoint(self.bed, job)):
                assert done.returncode == 0, done.stderr

    def asked(self, then):
        """A checkpoint of each is under way when `then` happens."""
        self.each(lambda job: self.bed.sh(job.node(), f"(stasis checkpoint {job.id}) >/dev/null 2>&1 </dev/null &"))
        then()

    def move_all(self):
        restarts = {job: job.restarts() for job in self.jobs}
        self.storage.fault("full")

        def requeue(job):
            job.requeue()
            job.wait_left(restarts[job])

        def goes_on(job):
            job.wait_running(restarts=restarts[job] + 1)
            eventually(lambda: job.raw_output().count("goes on from") == job.restarts(), 60, "it goes on")

        self.each(requeue)
        self.storage.fault("none")
        self.each(goes_on)

    def killed(self, pattern):
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda node: self.bed.run(node, "sh", "-c", f"pkill -9 -o -x {pattern}"), self.bed.nodes))

    def working(self):
        """Every daemon is there and makes checkpoints."""
        self.each(lambda job: eventually(lambda: checkpoint(self.bed, job).returncode == 0, 60, f"job {job.id} is checkpointed"))

    # --- the faults

    def daemon_killed_mid_publish(self):
        self.asked(lambda: self.killed("stasisd"))
        self.working()

    def worker_killed_mid_publish(self):
        self.asked(lambda: self.killed("stasis-worker"))
        self.working()

    def everything_killed_and_moved(self):
        self.checkpoints(1)
        self.asked(lambda: (self.killed("stasis-worker"), self.killed("stasisd")))
        self.working()
        self.move_all()

    def store_full(self):
        self.checkpoints(1)
        self.storage.fault("full")
        assert [done.returncode for done in self.each(lambda job: checkpoint(self.bed, job))] == [1] * len(self.jobs)
        self.storage.fault("none")

    def store_breaks_mid_publish(self):
        self.asked(lambda: self.storage.fault("broken"))
        self.storage.fault("none")
        self.working()

    def store_hangs_and_job_moves(self):
        self.checkpoints(1)
        self.asked(lambda: self.storage.fault("hung"))
        self.storage.fault("none")
        self.move_all()

    def damage(self, command):
        """To the newest checkpoint of each; the one before has to do."""
        self.checkpoints(2)
        numbers = {}
        for job in self.jobs:
            newest = self.storage.generations(job)[-1]
            numbers[job] = int(newest[4:]) - 1
            self.bed.sh("ctl", f"cd {self.storage.part(job)}/{newest} && {command}")
        self.move_all()
        for job in self.jobs:
            assert int(re.findall(r"goes on from checkpoint (\d+)", job.raw_output())[-1]) == numbers[job]

    def bit_flipped(self):
        program = """
import os, random, sys
chance = random.Random(int(sys.argv[1]))
name = chance.choice(sorted(os.listdir(".")))
with open(name, "r+b") as file:
    at = chance.randrange(os.path.getsize(name))
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1 << chance.randrange(8)]))
"""
        self.damage(f"python3 -c '{program}' {self.chance.randrange(1000)}")

    def manifest_cut(self):
        self.damage(f"truncate -s {self.chance.randrange(0, 900)} manifest")

    def file_missing(self):
        self.damage(self.chance.choice(["rm pack", "rm manifest", ": >pack"]))


def test_fifty_faults_and_every_output_is_right(bed, storage, figure):
    """Thirteen rounds of faults to four jobs, in an order of chance."""
    chance = random.Random(50)
    # The longest of all has to outlast the rounds.
    script = counting(600)
    usual = bed.submit(script, "--checkpoint-every=off", user="bob")
    jobs = [bed.submit(script, "--checkpoint-every=1h") for _ in range(4)]
    for job in jobs:
        job.wait_running()
        job.wait_lines(2)
    faults = Faults(bed, storage, jobs, chance)
    rounds = [
        faults.daemon_killed_mid_publish,
        faults.worker_killed_mid_publish,
        faults.everything_killed_and_moved,
        faults.store_full,
        faults.store_breaks_mid_publish,
        faults.store_hangs_and_job_moves,
        faults.bit_flipped,
        faults.bit_flipped,
        faults.bit_flipped,
        faults.manifest_cut,
        faults.manifest_cut,
        faults.file_missing,
        faults.file_missing,
    ]
    chance.shuffle(rounds)
    faults.checkpoints(1)
    for fault in rounds:
        print(fault.__name__, [len(job.output()) for job in jobs])
        fault()
    done = [len(job.output()) for job in jobs]
    assert max(done) < 600, "the last fault came in time"
    end = usual.wait_end(300)
    for job in jobs:
        assert job.wait_end(300) == end
        assert job.output() == usual.output()
    count = len(rounds) * len(jobs)
    figure("random faults", count, f"{count} faults to {len(jobs)} jobs, {sum(job.restarts() for job in jobs)} moves: every output right")
