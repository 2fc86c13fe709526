"""Every verb of `stasis` on the bed, for people and for programs."""

import json
import re

import pytest

from bed import counting, eventually

SCRIPT = counting(240)


def document(bed, node, words, user="root", status=0):
    """The JSON document of `stasis WORDS --json`."""
    done = bed.run(node, "stasis", *words.split(), "--json", user=user)
    assert done.returncode == status, done.stderr
    parsed = json.loads(done.stdout)
    assert parsed["format"] == 1 and isinstance(parsed["notes"], list)
    return parsed


@pytest.fixture
def job(bed):
    """Of alice, on its second node, with two checkpoints."""
    job = bed.submit(SCRIPT, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(2)
    bed.sh(node, f"stasis checkpoint {job.id} --requeue")
    job.wait_running(restarts=1)
    eventually(lambda: "goes on from checkpoint 1" in job.raw_output(), 60, "it goes on")
    bed.sh(job.node(), f"stasis checkpoint {job.id}")
    return job


def test_list_show_log_and_stats_on_the_jobs_node(bed, job):
    node = job.node()
    listed = document(bed, node, "list", user="alice")
    assert [one["job"] for one in listed["jobs"]] == [job.id]
    one = listed["jobs"][0]
    assert (one["user"], one["state"], one["node"], one["checkpoint"]) == ("alice", "RUNNING", node, 2)
    assert one["next_due"] and one["at_risk"] is not None and one["bytes"] > 0
    assert one["generations"] == 2 and document(bed, node, "list")["jobs"][0]["generations"] == 2
    text = bed.sh(node, "stasis list", user="alice")
    assert text.splitlines()[0].split()[:4] == ["JOB", "USER", "STATE", "NODE"] and "\x1b" not in text
    assert document(bed, node, "list", user="bob")["jobs"] == []

    life = document(bed, node, f"show {job.id}", user="alice")
    assert [run["state"] for run in life["runs"]] == ["REQUEUED", "RUNNING"] and life["runs"][1]["node"] == node
    assert [(c["number"], c["reason"], c["damage"]) for c in life["checkpoints"]] == [(1, "requested", None), (2, "requested", None)]
    assert life["here"][0]["phase"] == "running" and life["slurm"]["requeues"] == 1
    text = bed.sh(node, f"stasis show {job.id}", user="alice")
    assert f"job {job.id} of alice: RUNNING on {node}, requeued once" in text
    assert len([line for line in text.splitlines() if re.match(r"n\d +", line)]) == 2, "a line for each run"
    assert bed.run(node, "stasis", "show", str(job.id), user="bob").returncode == 1

    lines = document(bed, node, f"log {job.id}", user="alice")["lines"]
    assert any("checkpoint 2" in line["text"] for line in lines)
    assert document(bed, node, f"log {job.id}", user="bob")["lines"] == []

    metrics = document(bed, node, "stats", user="bob")["metrics"]
    assert any(sample["name"].startswith("stasis_checkpoints") and sample["value"] >= 1 for sample in metrics)


def test_on_a_login_node_store_and_slurm_answer_and_the_rest_is_said(bed, job):
    listed = document(bed, "ctl", "list", user="alice")
    assert listed["jobs"][0]["checkpoint"] == 2 and listed["jobs"][0]["next_due"] is None
    assert "only the job's node can tell" in " ".join(listed["notes"])
    assert [run["state"] for run in document(bed, "ctl", f"show {job.id}", user="alice")["runs"]] == ["REQUEUED", "RUNNING"]
    for words in (f"log {job.id}", f"check {job.id}", f"checkpoint {job.id}", "stats"):
        done = bed.run("ctl", "stasis", *words.split(), user="alice")
        assert (done.returncode, done.stdout) == (1, "") and "stasisd" in done.stderr


def test_verify_and_inspect(bed, job):
    node = job.node()
    told = document(bed, node, f"verify {job.id}", user="alice")
    assert told["whole"] and [c["number"] for c in told["checkpoints"]] == [1, 2]
    whole = document(bed, node, f"inspect {job.id}:2")
    assert whole["kind"] == "checkpoint" and whole["authentic"] is True and whole["manifest"] and whole["ledger"]
    # A flipped bit is found, and only in that one.
    directory = told["checkpoints"][1]["directory"]
    name = bed.sh("ctl", f"cd {directory} && ls -S | grep -v manifest | head -n 1")
    bed.sh("ctl", f"printf x | dd of={directory}/{name} bs=1 seek=99 conv=notrunc status=none")
    told = document(bed, node, f"verify {job.id}", user="alice", status=1)
    assert not told["whole"] and [bool(c["damage"]) for c in told["checkpoints"]] == [False, True]
    assert document(bed, node, f"verify {job.id}:1", user="alice")["whole"]


def test_check_names_what_is_in_the_way_and_the_checkpoint_says_the_same(bed):
    script = """#!/usr/bin/python3
import subprocess, time
subprocess.Popen(["strace", "-o", "/dev/null", "sleep", "1000"])
for step in range(400):
    print("step", step, flush=True)
    time.sleep(0.25)
"""
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(2)
    traced = f"pid=$(pgrep -u alice -x sleep) && grep -q 'TracerPid:.*[1-9]' /proc/$pid/status"
    eventually(lambda: bed.run(node, "bash", "-c", traced).returncode == 0, 30, "strace traces")
    told = document(bed, node, f"check {job.id}", user="alice", status=1)
    (part,) = told["parts"]
    assert not told["can_be_checkpointed"] and part["processes"] == 3 and part["bytes"] > 0
    assert [(o["program"], o["object"], o["blocks"]) for o in part["obstacles"]] == [("sleep", "a tracer, strace", True)]
    assert "bad" in bed.run(node, "stasis", "check", str(job.id), user="alice").stdout
    done = bed.run(node, "stasis", "checkpoint", str(job.id), user="alice")
    assert done.returncode == 1 and "has a tracer, strace" in done.stderr
    lines = len(job.output())
    job.wait_lines(lines + 2)


IO_URING = """#!/usr/bin/python3
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
ring = libc.syscall(425, 4, ctypes.create_string_buffer(120))
print(os.strerror(ctypes.get_errno()) if ring < 0 else "a ring", flush=True)
for step in range(60):
    print("step", step, flush=True)
    time.sleep(0.25)
"""


def test_a_protected_job_finds_no_io_uring_before_and_after_a_move(bed):
    job = bed.submit(IO_URING, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(3)
    assert job.output()[0] == "Function not implemented"
    filtered = "grep -h ^Seccomp: /proc/$(pgrep -u alice -f slurm_script | tail -n 1)/status"
    assert bed.sh(node, filtered).split() == ["Seccomp:", "2"]
    bed.sh(node, f"stasis checkpoint {job.id} --requeue", user="alice")
    job.wait_running(restarts=1)
    eventually(lambda: "goes on from checkpoint 1" in job.raw_output(), 60, "it goes on")
    assert bed.sh(job.node(), filtered).split() == ["Seccomp:", "2"]
    assert job.wait_end() == ("COMPLETED", "0:0") and len(job.output()) == 61


def test_checkpoint_and_evacuate(bed):
    one = bed.submit(SCRIPT, "--checkpoint-every=1h")
    node = one.wait_running()
    other = bed.submit(SCRIPT, "--checkpoint-every=1h", "-w", node, user="bob")
    other.wait_running()
    for job in (one, other):
        job.wait_lines(2)
    assert "nothing in the way" in bed.sh(node, f"stasis check {one.id}", user="alice")
    (made,) = document(bed, node, f"checkpoint {one.id}", user="alice")["made"]
    assert (made["name"], made["checkpoint"]) == (f"{one.id}.batch", 1) and made["frozen_ms"] < 5000 and made["bytes"] > 0
    assert bed.run(node, "stasis", "checkpoint", str(other.id), user="alice").returncode == 1
    assert bed.run(node, "stasis", "evacuate", user="alice").returncode == 1
    left = document(bed, node, "evacuate")
    assert sorted(one["name"] for one in left["made"]) == sorted(f"{job.id}.batch" for job in (one, other)) and left["skipped"] == []
    # bob asked for that node.
    assert one.wait_running(restarts=1) != node
    other.wait_running(restarts=1, timeout=90)


def test_restart_goes_back_to_an_earlier_checkpoint(bed, job, same_as_undisturbed):
    node = job.node()
    job.wait_lines(len(job.output()) + 2)
    done = bed.run(node, "stasis", "restart", f"{job.id}:2", user="alice")
    assert done.returncode == 1 and "scontrol requeuehold" in done.stderr, "a job that runs is refused"
    bed.sh("ctl", f"scontrol requeuehold {job.id}", user="alice")
    eventually(lambda: job.state() == "PENDING", 60, "it waits")
    assert bed.run("n1", "stasis", "restart", f"{job.id}:2", user="bob").returncode == 1
    assert document(bed, "n1", f"restart {job.id}:2", user="alice")["checkpoint"] == 2
    job.wait_running(restarts=2)
    eventually(lambda: "goes on from checkpoint 2 " in job.raw_output(), 60, "it goes on from the earlier one")
    life = document(bed, job.node(), f"show {job.id}", user="alice")
    # The last one was made when the job was put back.
    assert [(c["number"], c["aside"]) for c in life["checkpoints"]] == [(2, False), (3, True)]
    same_as_undisturbed(job, SCRIPT)


def test_doctor_finds_the_bed_healthy_and_says_what_is_not(bed):
    told = document(bed, "n1", "doctor")
    assert told["healthy"], told
    states = {one["check"]: one["state"] for one in told["findings"]}
    assert {"daemon", "criu", "kernel", "proctrack", "requeue", "kill wait", "grace time", "clock", "plugstack", "key", "store"} <= set(states)
    prints = {re.search(r"fingerprint (\w+)", bed.sh(node, "stasis doctor"))[1] for node in bed.nodes}
    assert len(prints) == 1
    bed.sh("n1", "mv /etc/stasis/key /etc/stasis/key.away")
    try:
        told = document(bed, "n1", "doctor", status=1)
        (key,) = [one for one in told["findings"] if one["check"] == "key"]
        assert not told["healthy"] and key["state"] == "bad" and "on every node" in key["fix"]
    finally:
        bed.sh("n1", "mv /etc/stasis/key.away /etc/stasis/key")


def test_prune_leaves_what_is_needed(bed, job):
    told = document(bed, "n1", "prune --idle 1m")
    assert told["failed"] == 0
    assert document(bed, "n1", f"verify {job.id}")["whole"]
    assert bed.run("n1", "stasis", "prune", user="alice").returncode == 1
