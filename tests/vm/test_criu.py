"""Stock CRIU on the stock kernel does what Stasis builds on, in an emulated machine too."""

import subprocess

import pytest

from bed import VMCLUSTER, wait_for

IMAGES = "/root/criu-test"

# Holds no file open while it sleeps: what root's criu cannot open again over NFS is another matter.
COUNTER = """
import os, sys, time
for i in range(10**6):
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(i))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(0.5)
"""


@pytest.fixture
def images(bed):
    clear = f"rm -rf {IMAGES} && mkdir {IMAGES}"
    for node in bed.nodes:
        bed.out(node, clear)
    yield IMAGES
    for node in bed.nodes:
        bed.out(node, f"rm -rf {IMAGES}")


def start(bed, node, command, user="root"):
    """The pid of a program in a session of its own, with nothing of ours open."""
    # Not in the user's home: root_squash keeps root's criu from opening a private directory again.
    return bed.out(node, f"cd /; setsid {command} </dev/null >/dev/null 2>&1 & echo $!", user)


def alive(bed, node, pid):
    return bed.run(node, f"kill -0 {pid}").returncode == 0


def dump(bed, node, pid):
    result = bed.run(node, f"criu dump -t {pid} -D {IMAGES} -o dump.log || (grep Error {IMAGES}/dump.log; false)")
    assert result.returncode == 0, result.stdout + result.stderr


def restore(bed, node):
    result = bed.run(node, f"criu restore -d -D {IMAGES} -o restore.log || (grep Error {IMAGES}/restore.log; false)")
    assert result.returncode == 0, result.stdout + result.stderr


def test_criu_finds_the_kernel_good(bed):
    assert "Looks good" in bed.run("n1", "criu check 2>&1").stdout


def test_the_kernel_tracks_dirty_pages(bed):
    bed.out("n1", "criu check --feature mem_dirty_track")


def test_a_sleeping_process_is_dumped_and_restored(bed, images):
    pid = start(bed, "n1", "sleep 1000")
    dump(bed, "n1", pid)
    assert not alive(bed, "n1", pid)
    restore(bed, "n1")
    assert bed.out("n1", f"tr '\\0' ' ' </proc/{pid}/cmdline; kill {pid}") == "sleep 1000"


def test_a_users_program_goes_on_on_another_node(bed, images):
    counter = "/scratch/counter"
    bed.out("n1", "cat >/scratch/count.py", user="alice", stdin=COUNTER)
    pid = start(bed, "n1", f"python3 /scratch/count.py {counter}", user="alice")
    count = lambda: int(bed.out("n2", f"cat {counter} 2>/dev/null || echo 0", user="alice") or 0)
    wait_for("the program to count", lambda: count() > 3, 60)
    dump(bed, "n1", pid)
    at_dump = count()

    sender = subprocess.Popen([VMCLUSTER, "exec", "n1", "--", "tar", "-C", images, "-cf", "-", "."], stdout=subprocess.PIPE)
    subprocess.run([VMCLUSTER, "exec", "n2", "--", "tar", "-C", images, "-xf", "-"], stdin=sender.stdout, check=True)
    assert sender.wait() == 0
    restore(bed, "n2")
    wait_for("the program to count on", lambda: count() > at_dump + 2, 60)
    assert bed.out("n2", f"ps -o user= -p {pid}; kill {pid}") == "alice"
    bed.out("ctl", f"rm -f {counter} /scratch/count.py")
