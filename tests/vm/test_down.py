"""Beds do not meet, recover from what killed runs leave, and go without a trace."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

from bed import TOP, VMCLUSTER, vmcluster, wait_for


@pytest.fixture
def other_bed(environment_of_another_bed):
    yield environment_of_another_bed
    vmcluster("down", env=environment_of_another_bed)


def processes_with(word):
    """The command lines of all processes that mention `word`."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command and int(path.parent.name) != os.getpid():
            found.append(command)
    return found


def traces(word):
    """Whatever on this machine bears the name of a bed."""
    found = [("process", command) for command in processes_with(word)]
    found += [("mount", line) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if word in line]
    found += [("run", str(path)) for path in pathlib.Path("/run").glob(f"*{word}*")]
    return found


def interfaces():
    return sorted(os.listdir("/sys/class/net"))


def test_a_second_bed_repairs_itself_and_goes_without_a_trace(bed, other_bed, tmp_path):
    before = interfaces()
    assert traces("stasis-vm-vmtest") == []

    # An `up` that is killed as soon as its machines run; the next one goes on from there.
    run_dir = pathlib.Path("/run/stasis-vm-vmtest")
    first = subprocess.Popen([VMCLUSTER, "up", "--nodes", "1"], env=other_bed, start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the machines to run", (run_dir / "n1.pid").exists, 300, every=0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    started = vmcluster("up", env=other_bed)
    assert started.returncode == 0, started.stderr

    def run(*command):
        return subprocess.run([VMCLUSTER, "exec", "ctl", "-u", "alice", "--", *command], env=other_bed,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    assert run("srun", "hostname").stdout == "n1\n"
    # Two beds with the same addresses do not meet, and the host has no part in either.
    assert bed.out("ctl", "srun -N2 hostname | sort", user="alice").split() == ["n1", "n2"]
    assert interfaces() == before

    # An `up` with less than nothing to go by: pid files of other processes, sockets nobody listens on.
    os.kill(int((run_dir / "n1.pid").read_text()), signal.SIGKILL)
    (run_dir / "n1.pid").write_text(f"{os.getpid()}\n")
    assert "n1 down" in vmcluster("status", env=other_bed).stdout.splitlines()
    refused = vmcluster("up", "--nodes", "2", env=other_bed)
    assert refused.returncode == 1 and "vmcluster down" in refused.stderr
    repaired = vmcluster("up", env=other_bed)
    assert repaired.returncode == 0, repaired.stderr
    assert run("srun", "hostname").stdout == "n1\n"

    # A pid file that is gone hides no machine from `down`.
    (run_dir / "ctl.pid").unlink()
    ended = vmcluster("down", env=other_bed)
    assert ended.returncode == 0 and ended.stderr == ""
    assert traces("stasis-vm-vmtest") == []
    assert interfaces() == before
    assert vmcluster("status", env=other_bed).stdout == "the virtual machines are down\n"
    left = {str(path.relative_to(tmp_path / "state" / "vm-vmtest")) for path in (tmp_path / "state" / "vm-vmtest").iterdir()}
    assert left <= {"lock", "product"}
    assert vmcluster("down", env=other_bed).returncode == 0


def test_an_image_build_that_was_cut_off_is_made_again(tmp_path, environment_of_another_bed):
    cache = tmp_path / "cache"
    env = environment_of_another_bed | {"STASIS_BED_CACHE": str(cache)}
    build = ["bash", "-c", "program=vmcluster; . scripts/lib/common.sh; for part in debian image; do "
             ". scripts/lib/vm_$part.sh; done; vm_image_ensure; vm_image_dir"]
    first = subprocess.Popen(build, env=env, cwd=TOP, start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("packages to be unpacked", lambda: list(cache.glob("vm/image-*.building/root/usr/bin")), 120, every=0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_for("the build's processes to end", lambda: not processes_with(str(cache)), 30)
    assert not [path for path in cache.glob("vm/image-*") if not path.name.endswith(".building")]
    assert str(cache) not in pathlib.Path("/proc/self/mounts").read_text()

    started = time.monotonic()
    second = subprocess.run(build, env=env, cwd=TOP, capture_output=True, text=True, timeout=600)
    assert second.returncode == 0, second.stderr
    image = pathlib.Path(second.stdout.strip())
    assert {"disk.img", "vmlinux", "initrd", "qemu", "uids"} == {path.name for path in image.iterdir()}
    assert not list(cache.glob("vm/*.building"))
    print(f"the image was built in {time.monotonic() - started:.0f} s")
