"""A real tree of processes, told by a real daemon to write a checkpoint of its own; Slurm and CRIU are fakes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from programs import SECONDS, eventually, message, read_message
from test_daemon import task
from test_views import shown, slurm

__all__ = ["slurm"]

# Writes a line for each signal, and ends with it if told to.
PROGRAM = """
import signal, sys
def told(number, frame):
    with open(sys.argv[1], "a") as file:
        file.write(f"{signal.Signals(number).name}\\n")
    if sys.argv[2] == "ends":
        sys.exit(0)
signal.signal(signal.SIGUSR1, told)
signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
while True:
    signal.pause()
"""


class Payload:
    """anchor -> script -> program, beside the test, which stands for the capsule's first process."""

    def __init__(self, directory, then):
        self.saved = directory / "saved"
        self.after = directory / "after"
        (directory / "program.py").write_text(PROGRAM)
        script = directory / "script.sh"
        script.write_text(f"{sys.executable} {directory}/program.py {self.saved} {then}\necho went on >{self.after}\n")
        self.anchor = subprocess.Popen(
            [sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))", "bash", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        assert self.anchor.stdout.readline() == "ready\n"

    def signals(self):
        return self.saved.read_text().split() if self.saved.exists() else []

    def end(self):
        os.killpg(self.anchor.pid, signal.SIGKILL)
        self.anchor.wait()
        self.anchor.stdout.close()


@pytest.fixture
def payload(root, tmp_path):
    started = []

    def start(then):
        started.append(Payload(tmp_path, then))
        return started[-1]

    yield start
    for payload in started:
        payload.end()


@pytest.fixture
def running(site, slurm, start_daemon, payload):
    """The daemon's line to a capsule with such a payload, for a job of that request."""
    connections = []

    def start(then, **request):
        slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(state="RUNNING", user="root", uid=0, restarts=0))
        slurm.answer("scontrol", "requeue", "812")
        slurm.answer("scontrol", "-o", "show", "partition", "main", out="PartitionName=main GraceTime=0\n")
        site.configure("defaults:\n  min_interval: 1s\n")
        daemon = start_daemon()
        daemon.wait_log("ready: ")
        there = payload(then)
        connection = daemon.connect()
        connections.append(connection)
        facts = {"uid": 0, "gid": 0, "state": "running", "root": there.anchor.pid, "first_start": 1795239061, "shim": os.getpid()}
        connection.send(task("capsule", **(facts | request)))
        assert read_message(connection.recv(65536))[0] == "attached"
        return daemon, connection, there

    yield start
    for connection in connections:
        connection.close()


def requeues(slurm):
    return [words for words in slurm.words() if words[:2] == ["scontrol", "requeue"]]


def says(connection, text):
    """Reads what goes to the job's output until that is in it."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        verb, fields = read_message(connection.recv(65536))
        if verb == "say" and text in fields["text"]:
            return fields["text"]
    raise AssertionError(text)


def test_a_program_is_told_at_each_interval_and_runs_on(running, slurm):
    daemon, _, payload = running("goes on", every="1s", method="signal")
    eventually(lambda: len(payload.signals()) >= 2, SECONDS, "two signals")
    daemon.wait_log("job=812.batch SIGUSR1 (interval) sent, processes=1")
    assert payload.anchor.poll() is None and requeues(slurm) == []


def test_a_program_that_ends_on_its_signal_is_requeued_before_its_script_sees_it(running, slurm):
    _, connection, payload = running("ends", every="1s", method="signal:TERM:30", requeue_on_ckpt="yes")
    assert says(connection, "SIGTERM sent") == "job 812: SIGTERM sent, 30 s for the program to write its checkpoint"
    says(connection, "job 812 requeued, its script will start again")
    assert payload.anchor.wait(SECONDS) == -signal.SIGKILL
    assert payload.signals() == ["SIGTERM"] and not payload.after.exists()
    assert requeues(slurm) == [["scontrol", "requeue", "812"]]


def test_a_signal_that_would_end_the_program_waits_until_its_job_leaves(running, site):
    _, connection, payload = running("ends", every="1s", method="signal:TERM")
    done = site.stasis("checkpoint", "812")
    assert done.returncode == 1
    assert "SIGTERM asks the program to end: it is sent when the job leaves" in done.stderr
    done = site.stasis("checkpoint", "812", "--requeue")
    assert (done.returncode, done.stdout) == (0, "job 812.batch: its program was told to write a checkpoint\n")
    assert payload.signals() == ["SIGTERM"]


def test_a_job_whose_requeue_is_refused_goes_on_and_can_leave_later(running, slurm, site):
    daemon, connection, payload = running("goes on", every="1h", method="signal:USR1:1")
    slurm.answer("scontrol", "requeue", "812", err="Requested operation is presently disabled for job 812\n", status=1)
    assert site.stasis("checkpoint", "812", "--requeue").returncode == 1
    says(connection, "warning: scontrol requeue 812: Requested operation is presently disabled")
    assert payload.anchor.poll() is None
    slurm.answer("scontrol", "requeue", "812")
    assert site.stasis("checkpoint", "812", "--requeue").returncode == 0
    assert payload.anchor.wait(SECONDS) == -signal.SIGKILL


def test_a_signal_that_nobody_catches_is_not_sent_and_its_user_told_once(running):
    daemon, connection, payload = running("ends", every="1s", method="signal:USR2", requeue_on_ckpt="yes")
    text = "no process of the job catches SIGUSR2, so it was not sent"
    assert says(connection, "warning") == f"warning: {text}"
    eventually(lambda: daemon.log().count(f"skipped: {text}") >= 2, SECONDS, "two attempts")
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            assert b"warning" not in connection.recv(65536)
    assert payload.anchor.poll() is None


def test_auto_falls_back_to_the_signal_where_criu_refuses(running, slurm):
    slurm.answer("criu", err="Error (criu/files.c:1): Can't dump it\n", status=1)
    daemon, connection, payload = running("goes on", every="1s", method="auto:USR1:30")
    said = says(connection, "cannot be dumped")
    assert said.endswith("it gets SIGUSR1 instead, to write a checkpoint of its own")
    eventually(lambda: len(payload.signals()) >= 2, SECONDS, "two signals")
    assert len([words for words in slurm.words() if words[:2] == ["criu", "dump"]]) == 1, "once is enough"


def test_show_explains_the_interval_and_the_method(running, slurm, site):
    running("goes on", every="auto", method="signal:USR1:60")
    done = site.stasis("show", "812", "--json")
    assert done.returncode == 0, done.stderr
    here = json.loads(done.stdout)["here"][0]
    assert here["method"] == "signal:USR1:60"
    assert here["auto"] == {"cost_ms": 60000, "measured": False, "mean_time_between_failures": 2592000, "bound": None}
    assert here["interval"] == 17596
    done = site.stasis("show", "812")
    assert "  every 4h53m16s, automatically: a checkpoint costs it 60.0 s (assumed), a node fails every 30d\n" in done.stdout
    assert "  checkpoint method: signal:USR1:60\n" in done.stdout
