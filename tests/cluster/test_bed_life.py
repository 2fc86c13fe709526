"""Beds do not meet, repair what killed runs leave, and go without a trace.

The other bed here has one node and starts from a copy of what the first one is made of: its image and its build.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from bed import CLUSTER, eventually

NAME = "bedtest"


class OtherBed:
    def __init__(self, state_root):
        self.environment = os.environ | {"STASIS_BED": NAME, "STASIS_BED_STATE": str(state_root)}
        self.state = state_root / NAME

    def cluster(self, *words, timeout=600):
        return subprocess.run(
            [CLUSTER, *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False,
        )

    def start(self, *words):
        """A verb in the background, in a process group of its own."""
        return subprocess.Popen(
            [CLUSTER, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )

    def works(self):
        done = self.cluster("exec", "ctl", "-u", "alice", "--", "srun", "hostname")
        return (done.returncode, done.stdout) == (0, "n1\n")

    def process(self, record="bed"):
        """The pid of what a record of the bed's names, as this machine sees it."""
        return int((self.state / record).read_text().split()[0])


@pytest.fixture(scope="module")
def copied(whole_bed):
    line = whole_bed.verb("logs", "ctl", "--files").stdout.splitlines()[0]
    first = Path(line.split(" ", 1)[1].split("/nodes/")[0])
    # Beside the first one, where there is room for an image.
    state_root = first.parent / f"{first.name}-life"
    other = OtherBed(state_root)
    other.cluster("down")
    shutil.rmtree(state_root, ignore_errors=True)
    other.state.mkdir(parents=True)
    for part in ("root", "root.recipe", "root.files", "build"):
        subprocess.run(["cp", "-a", "--reflink=auto", first / part, other.state / part], check=True)
    yield other
    shutil.rmtree(state_root)


@pytest.fixture
def other_bed(copied):
    """A bed that is down."""
    yield copied
    down = copied.cluster("down")
    assert down.returncode == 0, down.stderr


def namespaces_of(pid):
    return {os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("mnt", "net", "pid", "ipc", "uts")}


def processes_in(namespaces):
    """Every process that is in one of these namespaces, whatever it is called."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if namespaces & namespaces_of(path.name):
                found.append(path.name + " " + (path / "comm").read_text().strip())
        except OSError:
            continue  # it ended just now
    return found


def host_state():
    """What a bed could leave on this machine under names of its own choosing."""
    return {
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "network namespaces": subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout,
    }


def processes_and_mounts_with(word):
    """The command lines that mention it, and the mounts in any process's mount namespace."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            table = (path / "mountinfo").read_text()
        except OSError:
            continue  # it ended just now
        if word in words:
            found.add(f"process {path.name}: {words}")
        found |= {f"mount: {line}" for line in table.splitlines() if word in line}
    return sorted(found)


def traces(other):
    """Whatever on this machine bears the name of that bed."""
    found = processes_and_mounts_with(str(other.state))
    disks = subprocess.run(["losetup", "-nlO", "NAME,BACK-FILE"], capture_output=True, text=True, check=True).stdout
    found += [f"loop device {line}" for line in disks.splitlines() if str(other.state) in line]
    groups = Path("/sys/fs/cgroup").rglob(f"stasis-{NAME}*")
    return found + [f"cgroup {path}" for path in groups]


def test_two_beds_side_by_side_do_not_meet_and_one_goes_without_a_trace(bed, other_bed):
    before = host_state()
    assert traces(other_bed) == []
    up = other_bed.cluster("up", "--nodes", "1")
    assert up.returncode == 0, up.stderr
    # The same names and addresses, and neither knows of the other.
    assert other_bed.works()
    assert sorted(bed.sh("ctl", "srun -N3 hostname", user="alice").split()) == ["n1", "n2", "n3"]
    assert other_bed.cluster("status").stdout.splitlines()[:2] == ["ctl up", "n1 up"]
    refused = other_bed.cluster("kill", "n2")
    assert refused.returncode == 2 and "there are ctl n1" in refused.stderr
    assert host_state() == before

    # It ends in the middle of its work: a job runs, something has left its session, a shell is open on the node.
    script = "#!/bin/sh\nsetsid sleep 1000 &\nsleep 1000\n"
    (other_bed.state / "shared" / "scratch" / "job.sh").write_text(script)
    done = other_bed.cluster("exec", "ctl", "-u", "alice", "--", "sbatch", "/scratch/job.sh")
    assert done.returncode == 0, done.stderr
    job = "scontrol -o show job | grep -q JobState=RUNNING"
    eventually(lambda: other_bed.cluster("exec", "ctl", "--", "sh", "-c", job).returncode == 0, 60, "the job runs")
    shell = other_bed.start("exec", "n1", "--", "sh", "-c", "echo there >&2; exec sleep 1000")
    assert shell.stderr.readline() == "there\n"
    assert traces(other_bed) != []
    namespaces = set()
    for record in ("bed", "nodes/ctl/node", "nodes/n1/node"):
        namespaces |= namespaces_of(other_bed.process(record))
    namespaces -= namespaces_of("self")
    assert len(processes_in(namespaces)) > 10
    down = other_bed.cluster("down")
    assert (down.returncode, down.stdout, down.stderr) == (0, "", "")

    # The shell was the node's, and died with it: itself, or what it ran first.
    assert shell.wait(30) in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert processes_in(namespaces) == []
    assert traces(other_bed) == []
    assert host_state() == before
    assert {path.name for path in other_bed.state.iterdir()} <= {"lock", "root", "root.recipe", "root.files", "build", "build.log"}
    assert other_bed.cluster("status").stdout == "the test bed is down\n"
    assert other_bed.cluster("down").returncode == 0
    # The first one has noticed nothing.
    assert sorted(bed.sh("ctl", "srun -N3 hostname", user="alice").split()) == ["n1", "n2", "n3"]


def test_up_repairs_what_killed_runs_left(other_bed):
    # An `up` that is killed, with all it started in its own process group, while its nodes are being made.
    first = other_bed.start("up", "--nodes", "1")
    eventually((other_bed.state / "nodes" / "ctl").exists, 120, "the first node is being made")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    up = other_bed.cluster("up", "--nodes", "1")
    assert up.returncode == 0, up.stderr
    assert other_bed.works()

    # The process that holds the bed is killed: everything goes with it, and the bed is known to be down.
    namespaces = namespaces_of(other_bed.process("nodes/n1/node")) - namespaces_of("self")
    os.kill(other_bed.process(), signal.SIGKILL)
    eventually(lambda: processes_in(namespaces) == [], 30, "the node's processes are gone")
    assert other_bed.cluster("status").stdout == "the test bed is down\n"
    up = other_bed.cluster("up", "--nodes", "1")
    assert up.returncode == 0, up.stderr
    assert other_bed.works()

    # A record that names a process which is none of the bed's, as after a reboot, and a node that is killed behind its back.
    os.kill(other_bed.process("nodes/n1/node"), signal.SIGKILL)
    (other_bed.state / "nodes" / "n1" / "node").write_text(f"{os.getpid()} 1\n")
    eventually(lambda: "n1 down" in other_bed.cluster("status").stdout.splitlines(), 30, "n1 is known to be dead")
    up = other_bed.cluster("up")
    assert up.returncode == 0, up.stderr
    assert other_bed.works()

    # A bed whose record is lost is still found by `down`.
    (other_bed.state / "bed").unlink()
    down = other_bed.cluster("down")
    assert (down.returncode, down.stderr) == (0, "")
    eventually(lambda: traces(other_bed) == [], 10, "nothing is left of it")


def test_two_ups_at_once_are_one_after_the_other(other_bed):
    runs = [other_bed.start("up", "--nodes", "1") for _ in range(2)]
    said = [run.communicate(timeout=600)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("another run works on this bed" in text for text in said) == 1
    assert other_bed.works()


@pytest.fixture
def nothing_built(tmp_path):
    """A bed without an image, and with no way to get one."""
    other = OtherBed(tmp_path / "state")
    other.environment |= {"STASIS_BED_CACHE": str(tmp_path / "cache")}
    yield other
    other.cluster("down")


def test_an_image_build_that_was_cut_off_leaves_nothing_running_and_is_made_again(nothing_built, tmp_path):
    cache = tmp_path / "cache"
    up = nothing_built.start("up")
    eventually(lambda: list(cache.glob("cluster/*/building/usr")), 120, "the image is being unpacked")
    building = next(cache.glob("cluster/*/building"))
    # Only the script itself is killed; what it had started must end by itself.
    os.kill(up.pid, signal.SIGKILL)
    up.communicate()
    eventually(lambda: processes_and_mounts_with(str(cache)) == [], 30, "the build's processes have ended")
    assert building.exists() and not list(cache.glob("cluster/*/root")), "half an image is none"

    # The next run clears it away before it builds anew, which here ends for want of a mirror.
    nothing_built.environment["STASIS_APT_MIRROR"] = "http://127.0.0.1:9/debian"
    again = nothing_built.cluster("up")
    assert again.returncode == 1 and "does not answer" in again.stderr
    assert not building.exists()
