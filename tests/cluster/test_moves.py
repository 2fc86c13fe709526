"""A protected job outlives whatever makes it leave its node, and ends as if nothing had been."""

import json
import re
from pathlib import Path

import pytest

from bed import OTHERS_LINES, counting, eventually


def test_interval_alone_lets_the_job_run_on(bed, same_as_undisturbed):
    script = counting(30)
    job = bed.submit(script, "--checkpoint-every=2s")
    node = job.wait_running()
    job.wait_checkpoint(2)
    assert job.node() == node and job.restarts() == 0
    same_as_undisturbed(job, script)
    assert job.raw_output().count("stasis:") == 0
    eventually(lambda: not bed.stores(job), 30, "its checkpoints are removed")


def test_requeue_on_ckpt_hops_five_times(bed, same_as_undisturbed):
    script = counting(60, pause=0.3)
    job = bed.submit(script, "--checkpoint-every=2s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 5
    nodes = bed.sh("ctl", f"sacct -n -P -X --duplicates -j {job.id} -o nodelist").split()
    assert all(a != b for a, b in zip(nodes, nodes[1:])), f"each run on another node than the one before: {nodes}"
    assert not [line for name in bed.nodes for line in bed.log(name).splitlines() if f"job={job.id}." in line and "does not restore" in line]


def test_a_job_that_wants_one_node_hops_there(bed, same_as_undisturbed):
    """slurmd takes a run that starts within the second in which the one before ended for one that was revoked."""
    script = counting(26, pause=0.3)
    job = bed.submit(script, "--checkpoint-every=2s", "--requeue-on-ckpt", "-w", "n1")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2


def test_preemption_without_grace(bed, same_as_undisturbed):
    script = counting(40)
    # Nothing asked for: the partition's policy protects it.
    job = bed.submit(script, "-p", "preempt")
    job.wait_lines(8)
    urgent = bed.submit("#!/bin/sh\nsleep 3\n", "-N3", "--exclusive", "--mem=100")
    urgent.wait_end()
    same_as_undisturbed(job, script)
    assert job.restarts() == 1
    assert "goes on from checkpoint 1" in job.raw_output()


def test_preemption_within_grace(bed, same_as_undisturbed):
    script = counting(100, pause=0.3)
    job = bed.submit(script, "-p", "preempt-grace")
    job.wait_lines(8)
    urgent = bed.submit("#!/bin/sh\nsleep 3\n", "-N3", "--exclusive", "--mem=100")
    urgent.wait_running(timeout=90)
    assert job.restarts() == 1, "it left within its grace time"
    same_as_undisturbed(job, script)
    assert job.restarts() == 1, "and was requeued just once"


def test_time_limit(bed, same_as_undisturbed):
    script = counting(260)
    job = bed.submit(script, "--checkpoint-every=1h", "-t", "1")
    same_as_undisturbed(job, script, timeout=240)
    assert job.restarts() == 1


# Takes memory when its file is there.
GROWING = """#!/usr/bin/env python3
import os, sys, time
held = b""
for i in range(260):
    if not held and os.path.exists('/home/alice/grow'):
        held = os.urandom(1 << 30)
    print("step", i, flush=True)
    time.sleep(0.25)
sys.exit(7)
"""


def test_a_job_that_has_grown_has_more_time_before_its_limit(bed, same_as_undisturbed):
    job = bed.submit(GROWING, "--checkpoint-every=1h", "-t", "1", "--mem=1500")
    node = job.wait_running()
    job.wait_lines(4)
    bed.sh(node, f"stasis checkpoint {job.id}")
    try:
        bed.sh("ctl", "touch /home/alice/grow")
        line = rf"job={job.id}\.batch has (\d+) s to its time limit, and (\S+ \S+) of memory: its last checkpoint may take (\S+) s"
        left, memory, takes = eventually(lambda: re.search(line, bed.log(node)), 60, "it leaves").groups()
        assert memory == "1.0 GiB"
        assert float(takes) > 1, "as small as it was at its checkpoint it took a tenth of that"
        assert int(left) >= 5 + float(takes) - 1, "the margin of this bed, and that"
    finally:
        bed.sh("ctl", "rm -f /home/alice/grow")
    same_as_undisturbed(job, GROWING, "--mem=1500", timeout=240)
    assert job.restarts() == 1


def test_a_job_that_a_preemption_would_cut_short_is_named(bed):
    for node in bed.nodes:
        bed.service(node, "restart", "stasisd")  # and knows nothing of how fast it is
    for node in bed.nodes:
        eventually(lambda node=node: bed.run(node, "stasis", "stats").returncode == 0, 30, "the daemon is back")
    job = bed.submit("#!/usr/bin/env python3\nimport os, time\nheld = os.urandom(2 << 30)\ntime.sleep(600)\n", "-p", "preempt", "-t", "1", "--mem=2500")
    node = job.wait_running()
    line = rf"job={job.id}\.batch would lose what it has computed .* may take (\S+) s, and a preemption leaves it 10 s"
    takes = eventually(lambda: re.search(line, bed.log(node)), 50, "the log names it")[1]
    (found,) = [one for one in json.loads(bed.sh(node, "stasis doctor --json"))["findings"] if one["check"] == "grace time"]
    assert found["state"] == "warn" and f"preempt 10 s, and one may take {takes} s" in found["text"]
    job.cancel()


def test_requeue_by_its_user(bed, same_as_undisturbed):
    script = counting(40)
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(8)
    job.requeue()
    assert job.wait_running(restarts=1) != node
    same_as_undisturbed(job, script)
    assert "goes on from checkpoint 1" in job.raw_output(), "it was dumped on the way out, not started over"


def test_checkpoint_and_evacuate_by_command(bed, same_as_undisturbed):
    script = counting(60)
    job = bed.submit(script, "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(4)
    assert bed.run(node, "stasis", "checkpoint", str(job.id), user="bob").returncode == 1
    assert "checkpoint 1" in bed.sh(node, f"stasis checkpoint {job.id}", user="alice")
    assert job.restarts() == 0
    assert bed.run(node, "stasis", "evacuate", user="alice").returncode == 1
    bed.sh(node, "stasis evacuate")
    assert job.wait_running(restarts=1) != node
    same_as_undisturbed(job, script)


def test_array_of_ten_two_at_a_time(bed):
    script = "#!/bin/bash\nfor i in $(seq 1 12); do echo $SLURM_ARRAY_TASK_ID $i; sleep 0.25; done\n"
    job = bed.submit(script, "--checkpoint-every=2s", "--requeue-on-ckpt", "--array=1-10%2", "-o", "array-%A-%a.out")
    eventually(lambda: bed.sh("ctl", "squeue -h -u alice") == "", 240, "the whole array is done")
    for task in range(1, 11):
        text = bed.sh("ctl", f"grep -v '{OTHERS_LINES}' /home/alice/array-{job.id}-{task}.out")
        assert text.splitlines() == [f"{task} {i}" for i in range(1, 13)]
    states = bed.sh("ctl", f"sacct -n -X -P -j {job.id} -o state").split()
    assert states == ["COMPLETED"] * 10


def test_dependency_is_released_once_at_the_true_end(bed, same_as_undisturbed):
    script = counting(40, code=0)
    job = bed.submit(script, "--checkpoint-every=2s", "--requeue-on-ckpt")
    after = bed.submit(f"#!/bin/sh\ngrep -c checksum /home/alice/{job.id}.out\n", f"--dependency=afterok:{job.id}")
    same_as_undisturbed(job, script)
    assert after.wait_end() == ("COMPLETED", "0:0")
    assert after.output() == ["1"]
    assert job.restarts() >= 2


@pytest.mark.parametrize("ending, state, code", [("exit 3", "FAILED", "3:0"), ("kill -SEGV $$", "FAILED", "0:11")])
def test_exit_codes_and_signals_reach_slurm_after_a_move(bed, ending, state, code):
    job = bed.submit(f"#!/bin/bash\nfor i in 1 2 3 4 5 6; do echo $i; sleep 1; done\n{ending}\n", "--checkpoint-every=1h")
    job.wait_lines(2)
    job.requeue()
    assert job.wait_end() == (state, code)
    assert job.restarts() == 1


# Works for longer than its timer's period, so that the timer has expired, unread, at nearly every moment.
LATE_FOR_ITS_TIMER = """#!/usr/bin/env python3
import ctypes, os, time
class Spec(ctypes.Structure):
    _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]
libc = ctypes.CDLL(None, use_errno=True)
timer = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
every = Spec((0, 50000000), (0, 50000000))
assert libc.timerfd_settime(timer, 0, ctypes.byref(every), None) == 0
for step in range(24):
    assert int.from_bytes(os.read(timer, 8), "little") > 0
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        pass
    print("step", step, flush=True)
"""


def test_a_periodic_timer_that_had_expired_goes_on(bed, same_as_undisturbed):
    job = bed.submit(LATE_FOR_ITS_TIMER, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, LATE_FOR_ITS_TIMER)
    assert job.restarts() >= 2


HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")

IN_HUGE_PAGES = """#!/usr/bin/env python3
import hashlib, mmap, time
HUGETLB = 0x40000
memory = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | HUGETLB)
for step in range(24):
    memory[step * 170000 : step * 170000 + 5] = b"%05d" % step
    print("step", step, hashlib.sha256(memory[:]).hexdigest()[:16], flush=True)
    time.sleep(0.25)
"""


@pytest.fixture
def huge_pages():
    """Some in the kernel's pool, which is one for this whole machine."""
    before = HUGE_PAGES.read_text()
    HUGE_PAGES.write_text(str(int(before) + 8))
    if int(HUGE_PAGES.read_text()) < int(before) + 8:
        HUGE_PAGES.write_text(before)
        pytest.skip("this machine has no memory in pieces of 2 MiB any more")
    yield
    HUGE_PAGES.write_text(before)


def test_pages_of_the_kernels_pool_of_huge_ones_move(bed, same_as_undisturbed, huge_pages):
    job = bed.submit(IN_HUGE_PAGES, "--checkpoint-every=1h")
    job.wait_lines(6)
    job.requeue()
    same_as_undisturbed(job, IN_HUGE_PAGES)
    assert job.restarts() == 1


def test_a_job_that_may_not_be_requeued_runs_on_and_its_user_is_told(bed):
    job = bed.submit(counting(12, code=0), "--checkpoint-every=1h", "--no-requeue")
    node = job.wait_running()
    job.wait_lines(3)
    refused = bed.run(node, "stasis", "checkpoint", "--requeue", str(job.id))
    assert refused.returncode == 1 and "checkpoint 1 is stored, but the job is not requeued" in refused.stderr
    assert job.wait_end()[0] == "COMPLETED" and job.restarts() == 0
    assert "stasis: warning: the job runs on: checkpoint 1 is stored, but the job is not requeued: " in job.raw_output()


def test_a_job_of_a_hundred_processes(bed, same_as_undisturbed):
    script = counting(20).replace("sum=start", "for i in $(seq 100); do sleep 600 & done\nsum=start")
    script = script.replace("exit 7", "kill $(jobs -p)\nexit 7")
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 1


# Waits for one alarm after the other, and has so much memory that most come while it is dumped.
ALARMS = """#!/usr/bin/env python3
import ctypes, os, signal, sys, time
class Spec(ctypes.Structure):
    _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]
libc = ctypes.CDLL(None, use_errno=True)
timer = ctypes.c_void_p()
assert libc.timer_create(time.CLOCK_MONOTONIC, None, ctypes.byref(timer)) == 0
once = Spec((0, 0), (0, 60000000))
memory = bytearray(os.urandom(1 << 20)) * 128
alarms = 0
def alarm(*_):
    global alarms
    alarms += 1
signal.signal(signal.SIGALRM, alarm)
for step in range(120):
    before = alarms
    if "{kind}" == "interval":
        signal.setitimer(signal.ITIMER_REAL, 0.06)
    else:
        assert libc.timer_settime(timer, 0, ctypes.byref(once), None) == 0
    while alarms == before:
        time.sleep(0.05)
    print("step", step, alarms, flush=True)
"""


@pytest.mark.parametrize("kind", ["interval", "posix"])
def test_an_alarm_that_comes_while_the_job_is_dumped_is_not_lost(bed, same_as_undisturbed, kind):
    script = ALARMS.format(kind=kind)
    job = bed.submit(script, "--checkpoint-every=2s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
