"""Output, data and scratch files are right after a move, whatever the job does with them."""

import re

import pytest

from bed import OTHERS_LINES, counting, eventually


# One database with a rollback journal and one with a write-ahead log, a file rewritten in place, and one that is opened
# for each line only. It waits while there is a file "hold", so that how far it gets does not depend on the bed's pace.
SQLITE = """#!/usr/bin/python3
import os, sqlite3, sys, time
data = "data." + os.environ["SLURM_JOB_NAME"]
os.makedirs(data)
os.chdir(data)
databases = []
for mode in ("delete", "wal"):
    database = sqlite3.connect(mode + ".db", isolation_level=None)
    database.execute(f"pragma journal_mode={mode}")
    database.execute("create table if not exists steps(step integer, words text)")
    databases.append(database)
place = open("place", "w+b", buffering=0)
for step in range(STEPS):
    for database in databases:
        database.execute("begin")
        for i in range(20):
            database.execute("insert into steps values(?, ?)", (step, f"word {step} {i} " * 20))
        database.execute("delete from steps where step < ? and step % 3 = 1", (step - 5,))
        database.execute("commit")
    place.seek(64 * (step % 7))
    place.write(b"%63d\\n" % step)
    with open("now-and-then", "a") as log:
        print(step, file=log)
    print("step", step, flush=True)
    time.sleep(0.2)
    while os.path.exists("../hold"):
        time.sleep(0.05)
for database in databases:
    print(database.execute("pragma integrity_check").fetchone()[0], database.execute("select count(*), sum(step), max(words) from steps").fetchone())
place.seek(0)
print(place.read().split(), len(open("now-and-then").readlines()))
"""


def test_databases_of_a_job_that_is_killed_ten_times(bed, same_as_undisturbed, figure):
    script = SQLITE.replace("STEPS", "280")
    bed.sh("ctl", "rm -rf data.* hold", user="alice")
    job = bed.submit(script, "--checkpoint-every=1h", "--checkpoint-with=/home/alice/data.killed", "-J", "killed")
    ahead = 0
    for kill in range(10):
        node = job.wait_running(restarts=kill)
        if kill:
            eventually(lambda: job.raw_output().count("goes on from checkpoint") == kill, 60, f"it goes on after kill {kill}")
        before = len(job.output())
        job.wait_lines(before + 3)
        bed.sh(node, f"stasis checkpoint {job.id}")
        kept = len(job.output())
        # Its files run ahead of the checkpoint.
        job.wait_lines(kept + 4)
        bed.sh("ctl", "touch hold", user="alice")
        bed.lose(node)
        ahead += 4
        eventually(lambda: job.restarts() > kill, 30, "Slurm has requeued it")
        bed.give_back(node)
        bed.sh("ctl", "rm hold", user="alice")
    same_as_undisturbed(job, script)
    assert job.restarts() == 10
    figure("steps rolled back", ahead, f"databases: killed 10 times, {ahead} steps rolled back at least")


# What a job leaves where only its node can see it: 2 GiB in its private /tmp, part of it changed at every step.
BIG_TMP = """#!/usr/bin/python3
import hashlib, os, sys, time
name = "/tmp/big"
block = hashlib.shake_128(b"random").digest(64 << 20)
with open(name, "wb") as file:
    for i in range(MIB // 64):
        file.write(i.to_bytes(8, "big") + block[8:])
del block
small = open("/tmp/small", "w+b")
print("written", os.path.getsize(name), flush=True)
for step in range(120):
    small.seek(0)
    small.write(b"%d\\n" % step)
    small.flush()
    print("step", step, flush=True)
    time.sleep(0.25)
digest = hashlib.sha256()
with open(name, "rb") as file:
    while block := file.read(1 << 22):
        digest.update(block)
small.seek(0)
print(digest.hexdigest(), small.read())
"""


def checkpoints_in_log(bed, node, job):
    """(seconds frozen, bytes to the store, bytes that shared blocks) of each checkpoint that node made of the job."""
    found = re.findall(rf"job={job.id}\.batch checkpoint .* frozen ([0-9.]+) s; bytes=(\d+) shared=(\d+)", bed.log(node))
    return [(float(frozen), int(stored), int(shared)) for frozen, stored, shared in found]


def test_two_gigabytes_in_tmp_move_along(bed, same_as_undisturbed, figure):
    script = BIG_TMP.replace("MIB", "2048")
    job = bed.submit(script, "--checkpoint-every=1h", "--mem=2900")
    node = job.wait_running()
    job.wait_lines(2, timeout=120)
    for _ in range(2):
        bed.sh(node, f"stasis checkpoint {job.id}")
    first, second = checkpoints_in_log(bed, node, job)
    # Random data does not compress; of what has not changed nothing is copied or written again.
    assert 2 << 30 < first[1] < 2.1 * 2**30
    assert first[2] >= 2 << 30, "the file system of the node's disk shares the blocks (reflink), nothing is copied"
    assert second[1] < 16 << 20
    bed.sh(node, f"stasis checkpoint --requeue {job.id}")
    assert job.wait_running(restarts=1, timeout=120) != node
    same_as_undisturbed(job, script, "--mem=2900", timeout=240)
    figure("2 GiB in /tmp", second[1], f"2 GiB in /tmp: {first[1]} bytes and frozen {first[0]} s at first, then {second[1]} bytes and {second[0]} s")


def test_a_sites_tmpdir_and_result_folder(bed):
    """As the sites' own tool has it: the job writes to $TMPDIR, and what is there is in RESULT_FOLDER when it ends well."""
    script = """#!/bin/bash
echo $TMPDIR
for i in $(seq 1 40); do echo $i >>$TMPDIR/looper.txt; echo $i; sleep 0.25; done
mkdir $TMPDIR/sub; wc -l <$TMPDIR/looper.txt >$TMPDIR/sub/count
"""
    for options, where in ((["--export=ALL,SITE_TMPDIR=1,RESULT_FOLDER=results"], "/local/"), (["--export=ALL,RESULT_FOLDER=results,TMPDIR=/tmp"], "/tmp")):
        bed.sh("ctl", "rm -rf results", user="alice")
        job = bed.submit(script, "--checkpoint-every=1h", *options)
        node = job.wait_running()
        job.wait_lines(6)
        assert job.output()[0].startswith(where)
        bed.sh(node, f"stasis checkpoint --requeue {job.id}")
        assert job.wait_running(restarts=1) != node
        assert job.wait_end() == ("COMPLETED", "0:0")
        assert bed.sh("ctl", "cat results/looper.txt", user="alice").split() == [str(i) for i in range(1, 41)]
        assert bed.sh("ctl", "cat results/sub/count", user="alice") == "40"


@pytest.mark.parametrize(
    "options, files",
    [
        (["-o", "%x-%j.joined"], ["{name}-{id}.joined"]),
        (["-o", "%x-%j.o", "-e", "%x-%j.e"], ["{name}-{id}.o", "{name}-{id}.e"]),
        (["-o", "%j.cut", "--open-mode=truncate"], ["{id}.cut"]),
    ],
)
def test_output_files_of_all_kinds(bed, options, files):
    """Both streams, whole and in order, also where a restart of Slurm's truncates the file."""
    script = "#!/bin/bash\nfor i in $(seq 1 24); do echo out $i; echo err $i >&2; sleep 0.25; done\n"

    def outcome(job):
        names = [file.format(name="job-name", id=job.id) for file in files]
        # None are there yet at first: no failure.
        return [bed.sh("ctl", f"sed '/{OTHERS_LINES}/d' {name}", user="alice") for name in names]

    usual = bed.submit(script, "-J", "job-name", "--checkpoint-every=off", *options)
    job = bed.submit(script, "-J", "job-name", "--checkpoint-every=1h", *options)
    node = job.wait_running()
    for hop in (1, 2):
        eventually(lambda: outcome(job)[0].count("out") >= 6 * hop, 30, "it writes")
        bed.sh(node, f"stasis checkpoint --requeue {job.id}")
        node = job.wait_running(restarts=hop)
    assert usual.wait_end() == job.wait_end() == ("COMPLETED", "0:0")
    assert outcome(job) == outcome(usual)


# Scripts whose own pipe is in the place of what Slurm gave them when the checkpoint comes.
PIPES_OF_ITS_OWN = {
    "stdin": "while read -r i; do echo $i; sleep 0.25; done < <(seq 1 40)\n",
    "stdout": "exec 3>&1 > >(tee copy-$SLURM_JOB_ID)\nfor i in $(seq 1 40); do echo $i; sleep 0.25; done\nexec >&3\nwait $!\nwc -l <copy-$SLURM_JOB_ID\n",
    "stderr": "exec 3>&2 2> >(sed -u s/^/error:/)\nfor i in $(seq 1 40); do echo $i >&2; sleep 0.25; done\nexec 2>&3\nwait $!\n",
}


@pytest.mark.parametrize("which", PIPES_OF_ITS_OWN)
def test_a_pipe_of_the_scripts_own_stays_where_it_is(bed, same_as_undisturbed, which):
    """It came back as what the next run was given by Slurm, /dev/null or the output file, and what was in it was lost."""
    script = "#!/bin/bash\n" + PIPES_OF_ITS_OWN[which]
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
