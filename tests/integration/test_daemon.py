"""stasisd on a node without jobs: it starts, answers, believes nobody, and ends."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys

import pytest

from programs import SECONDS, STASISD, eventually, message, read_message, run

BATCH_STEP = 0xFFFFFFFB


def task(verb, **fields):
    facts = {
        "job": 812, "step": BATCH_STEP, "task": 0, "tasks": 1, "uid": 1001, "gid": 1001, "restarts": 0,
        "partition": "main", "node": "n1", "command": "/var/spool/slurmd/job00812/slurm_script", "shim": 4711,
    }
    return message(verb, **(facts | fields))


def admit(**fields):
    return task("admit", **fields)


def ask(daemon, datagram):
    with daemon.connect() as connection:
        connection.send(datagram)
        return read_message(connection.recv(65536))


def answers(daemon):
    """It is there and does its work."""
    verb, _ = ask(daemon, admit(every="30m"))
    return verb == "protect"


def test_it_listens_for_everybody_once_it_says_so(daemon, site):
    assert stat.S_IMODE(site.socket.stat().st_mode) == 0o666
    assert f"ready: store {site.directory}/store, socket {site.socket}\n" in daemon.log()
    assert answers(daemon)


def test_it_asks_slurm_with_a_clean_environment_and_no_descriptor_of_its_own(daemon, site):
    eventually(site.fakes.calls, SECONDS, "scontrol is called")
    call = site.fakes.calls()[0]
    assert [call["name"], *call["arguments"]] == ["scontrol", "show", "config"]
    assert set(call["environment"]) - {"LC_CTYPE"} == {"PATH", "SLURM_TIME_FORMAT", "LC_ALL"}
    assert set(call["descriptors"]) == {"0", "1", "2"}


def test_every_descriptor_it_holds_is_closed_on_exec(daemon):
    """Whatever it starts, now or in a later version, inherits nothing."""
    with daemon.connect():
        process = f"/proc/{daemon.process.pid}"

        def held():
            return {fd: os.readlink(f"{process}/fd/{fd}") for fd in os.listdir(f"{process}/fd") if int(fd) > 2}

        # Its signals, its socket, and the connection.
        eventually(lambda: sum(target.startswith("socket:") for target in held().values()) == 2, SECONDS, "the connection")
        for fd, target in held().items():
            with open(f"{process}/fdinfo/{fd}") as info:
                flags = next(int(line.split()[1], 8) for line in info if line.startswith("flags:"))
            assert flags & os.O_CLOEXEC, f"{fd}: {target}"


def test_a_slurmctld_that_is_away_is_asked_again(site, start_daemon):
    site.fakes.answer(
        "scontrol", "show", "config", err="error: Unable to contact slurm controller (connect failure)\n", status=1
    )
    daemon = start_daemon()
    daemon.wait_log("slurmctld does not tell its configuration: ")
    assert "Unable to contact slurm controller" in daemon.log()
    # Jobs are served meanwhile.
    assert answers(daemon)
    site.fakes.answer("scontrol", "show", "config", out="ClusterName = testing\nProctrackType = proctrack/linuxproc\n")
    eventually(lambda: ask(daemon, admit(every="30m"))[1]["tree_signalled"] == "1", SECONDS, "what Slurm says is known")


def test_a_capsule_that_is_back_waits_for_the_clusters_name(site, start_daemon):
    """Below it are its checkpoints: without it they would end up where nobody looks. Signals are not held up for that."""
    site.fakes.answer("scontrol", "show", "config", err="error: Unable to contact slurm controller\n", status=1)
    daemon = start_daemon()
    daemon.wait_log("slurmctld does not tell its configuration: ")
    with daemon.connect() as capsule:
        capsule.send(task("capsule", every="1h", state="running", root=1000, first_start=1795239061, shim=os.getpid()))
        daemon.wait_log("job=812.batch capsule is back")
        capsule.send(message("signal", number=15))
        assert read_message(capsule.recv(65536))[0] == "deliver"
        site.fakes.answer("scontrol", "show", "config", out="ClusterName = testing\n")
        verb, fields = read_message(capsule.recv(65536))
        assert (verb, fields["first_start"]) == ("attached", "1795239061")


def test_a_capsule_that_criu_is_restoring_is_left_alone_until_it_is_done(site, start_daemon):
    """The daemon that began it is gone; its images are in use."""
    site.fakes.answer("scontrol", "show", "config", out="ClusterName = testing\n")
    daemon = start_daemon()
    daemon.wait_log("ready: ")
    with daemon.connect() as capsule:
        facts = task("capsule", every="1h", state="restoring", number=7, restarts=1, first_start=1795239061, shim=os.getpid())
        capsule.send(facts)
        daemon.wait_log("job=812.batch capsule is back, resuming from checkpoint 7")
        capsule.send(message("restored", root=1000))
        daemon.wait_log("job=812.batch restored")
        words = [read_message(capsule.recv(65536)) for _ in range(2)]
        assert [verb for verb, _ in words] == ["say", "attached"], "it was not told to start in any way"
        assert words[0][1]["text"].startswith("job 812 goes on from checkpoint 7 on ")


@pytest.mark.parametrize(
    "fields, verb, expected",
    [
        ({"every": "45"}, "protect", {"keep_tmp": "0", "tree_signalled": "0"}),
        ({}, "unprotected", {}),
        ({"partition": "preempt"}, "protect", {}),
        ({"partition": "preempt", "every": "off"}, "unprotected", {}),
        ({"every": "soon"}, "unprotected", {"reason": "bad_request"}),
        ({"from": "811"}, "protect", {}),
        ({"from": "811", "every": "off"}, "unprotected", {"reason": "bad_request"}),
    ],
    ids=["asked", "not asked", "partition", "opted out", "nonsense", "goes on from another", "and would not be protected"],
)
def test_a_task_is_protected_if_its_user_or_its_partition_wants_it(site, start_daemon, fields, verb, expected):
    site.configure("partitions:\n  preempt:\n    checkpoint_every: 1h\n")
    daemon = start_daemon()
    daemon.wait_log("ready: ")
    said, values = ask(daemon, admit(**fields))
    assert said == verb
    assert values.items() >= expected.items()


def test_a_job_that_is_not_here_cannot_be_checkpointed(daemon, site):
    done = site.stasis("checkpoint", "812")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stasis: no protected job 812 of yours runs on this node\n"


def test_evacuating_a_node_without_jobs_is_done_at_once_by_root_and_refused_to_others(daemon, site):
    done = site.stasis("evacuate", "n99")
    assert done.returncode == 1
    assert re.fullmatch(r"stasis: only the daemon of n99 can do that, and this is \S+: run `stasis evacuate` there, as root\n", done.stderr)
    done = site.stasis("evacuate", socket.gethostname())
    assert done.returncode == 0, done.stderr
    done = site.stasis("evacuate")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = site.stasis("evacuate", user="nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "stasis: only root may evacuate a node\n"


@pytest.mark.parametrize(
    "datagram",
    [
        b"\0",
        b"\xff" * 65000,
        b"stasis2\0admit\0",
        b"stasis1\0admit\0job",
        message("admit"),
        message("capsule"),
        message("capsule", job="812", state="new"),
        message("selfdestruct", now="yes"),
        admit(job="-1"),
        admit(uid=str(2**63)),
    ],
    ids=["a byte", "no text", "version", "cut", "no facts", "no capsule", "half a capsule", "verb", "minus", "huge"],
)
def test_what_it_does_not_understand_ends_the_connection_and_nothing_else(daemon, datagram):
    with daemon.connect() as connection:
        connection.send(datagram)
        assert connection.recv(65536) == b""
    assert answers(daemon)
    assert daemon.process.poll() is None


def test_only_root_speaks_for_tasks(daemon, site):
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.settimeout(60)\n"
        "s.connect(sys.argv[1])\n"
        "s.send(sys.stdin.buffer.read())\n"
        "sys.stdout.buffer.write(s.recv(65536))\n"
    )
    done = run(sys.executable, "-c", program, site.socket, user="nobody", input=admit(every="30m"), text=False, stdin=None)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


def test_many_who_connect_and_say_nothing_keep_nobody_out(daemon):
    silent = [daemon.connect() for _ in range(200)]
    assert answers(daemon)
    for connection in silent:
        connection.close()


def test_a_second_daemon_leaves_the_first_one_alone(daemon, site, start_daemon):
    second = start_daemon()
    assert second.process.wait(SECONDS) == 1
    assert f"another stasisd listens at {site.socket}" in second.log()
    assert answers(daemon)


def test_it_ends_on_a_signal_and_says_so(daemon, site):
    eventually(site.fakes.calls, SECONDS, "scontrol is called")
    children = f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children"
    eventually(lambda: open(children).read() == "", SECONDS, "the worker that asked Slurm has ended, and is reaped")
    assert daemon.end() == 0
    assert daemon.log().splitlines()[-1].endswith("stops; 0 capsules go on, 0 operations are finished by themselves")


def test_what_a_killed_daemon_left_does_not_keep_the_next_one_from_starting(daemon, site, start_daemon):
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    assert site.socket.exists()
    nobody = f"stasis: connect to stasisd at {site.socket}: nobody listens\n"
    # A worker that was forked just before has the socket, too, for as long as it takes to close it.
    eventually(lambda: site.stasis("evacuate").stderr == nobody, SECONDS, "nobody listens")
    (site.directory / "stasisd.log").unlink()
    second = start_daemon()
    second.wait_log("ready: ")
    assert answers(second)


def test_without_a_daemon_the_cli_says_where_it_looked(site):
    done = site.stasis("checkpoint", "812")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(site.socket) in done.stderr and done.stderr.count("\n") == 1


def test_somebody_who_is_not_root_and_listens_there_is_not_believed(root, site):
    site.socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(site.socket))
        # Credentials are those of the moment of listen().
        os.seteuid(65534)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        done = site.stasis("checkpoint", "812")
    assert done.returncode == 1
    assert done.stderr == f"stasis: connect to stasisd at {site.socket}: whoever listens there is not root\n"


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda site: site.key.unlink(), "stasis keygen"),
        (lambda site: site.key.chmod(0o640), "chmod 600"),
        (lambda site: os.chown(site.key, 65534, 0), "must belong to root"),
        (lambda site: site.key.write_text("test 0123\n"), "line 1 is no key"),
        (lambda site: site.key.write_text(""), "there is no key in it"),
        (lambda site: site.configure(f"cluster: ../bed\n"), "cluster"),
    ],
    ids=["no key", "open key", "foreign key", "short key", "empty key", "bad configuration"],
)
def test_it_does_not_start_on_what_it_cannot_trust(site, start_daemon, spoil, says):
    spoil(site)
    daemon = start_daemon()
    assert daemon.process.wait(SECONDS) == 1
    assert says in daemon.log() and daemon.log().count("\n") == 1
    assert not site.socket.exists()


def test_an_ordinary_user_cannot_start_it(root, site):
    done = run(STASISD, "--config", site.config, user="nobody", stderr=subprocess.STDOUT, capture_output=False, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (1, "stasisd: must be started as root\n")


ALLOW_ALL = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
# prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)
if libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0) != 0:
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
"""


def admitted_by(site, preparation):
    """The answer of a daemon that was started behind some lines of Python."""
    start = preparation + f"\nimport os\nos.execv({str(STASISD)!r}, ['stasisd', '--config', {str(site.config)!r}])\n"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = ""
            while "ready: " not in line:
                line = process.stderr.readline()
                assert line, "stasisd ends before it is ready"
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(SECONDS)
                connection.connect(str(site.socket))
                connection.send(admit(every="1h"))
                return read_message(connection.recv(65536))[1]
        finally:
            process.terminate()


def test_jobs_get_no_filter_from_a_daemon_that_has_one(site, root):
    """The kernel lets a criu under a seccomp filter dump no process that has one."""
    assert admitted_by(site, "")["allow_io_uring"] == "0"
    assert admitted_by(site, ALLOW_ALL)["allow_io_uring"] == "1"
