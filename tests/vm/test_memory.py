"""Memory that was not written to since the checkpoint before is not read again, where the kernel tells; and is right all the same."""

import re
import subprocess
import sys

import pytest

from bed import Moving, wait_for

# Does to its memory what programs do: writes, maps and unmaps, gives pages back, moves mappings, takes rights away, forks
# children that do the same. Each step is decided by a sum of all of its memory, and prints it: one page that is not what it
# was changes all lines after it.
REMAPS = '''
import ctypes, hashlib, os, sys, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
for call in (libc.munmap, libc.madvise, libc.mprotect):
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
BASE, PAGE, REGION, REGIONS = 0x200000000000, 4096, 1 << 21, 8
FIXED, ANONYMOUS, PRIVATE, READ_WRITE, READ, NOTHING = 0x10, 0x20, 2, 3, 1, 0
DONTNEED, MOVE = 4, 3
SPARE = BASE + REGIONS * REGION


def at(region):
    return BASE + region * REGION


def must(result):
    if result == ctypes.c_void_p(-1).value or result == -1:
        sys.exit(f"errno {ctypes.get_errno()}")


def fresh(where):
    must(libc.mmap(where, REGION, READ_WRITE, FIXED | ANONYMOUS | PRIVATE, -1, 0))


def write(region, digest):
    for i in range(24):
        page = int.from_bytes(hashlib.sha256(digest + bytes([i])).digest()[:4], "big") % (REGION // PAGE)
        ctypes.memmove(at(region) + page * PAGE + i * 64, digest, len(digest))


def step(number, digest):
    region, what = digest[0] % REGIONS, digest[1] % 8
    if what == 0:
        fresh(at(region))
    elif what == 1:
        must(libc.madvise(at(region), REGION // 2, DONTNEED))
    elif what == 2:
        # Away and back: what is read meanwhile is another region's.
        other = digest[2] % REGIONS
        if other != region:
            must(libc.mremap(at(region), REGION, REGION, MOVE, SPARE))
            must(libc.mremap(at(other), REGION, REGION, MOVE, at(region)))
            must(libc.mremap(SPARE, REGION, REGION, MOVE, at(other)))
    elif what == 3:
        must(libc.mprotect(at(region), REGION, NOTHING))
        must(libc.mprotect(at(region), REGION, READ_WRITE))
    elif what == 4:
        fresh(at(region))
        ctypes.string_at(at(region), REGION)
    write(region, digest)


def memory_sum():
    digest = hashlib.sha256()
    for region in range(REGIONS):
        digest.update(ctypes.string_at(at(region), REGION))
    return digest.digest()


def run(name, first, last, pause, digest):
    for number in range(first, last):
        step(number, digest)
        digest = hashlib.sha256(digest + memory_sum()).digest()
        print(name, number, digest.hex()[:16], flush=True)
        time.sleep(pause)
    return digest


pause, steps = float(sys.argv[1]), int(sys.argv[2])
for region in range(REGIONS):
    fresh(at(region))
    for page in range(0, REGION // PAGE, 3):
        ctypes.memmove(at(region) + page * PAGE, hashlib.sha256(b"%d,%d" % (region, page)).digest(), 32)
digest = run("parent", 0, steps // 3, pause, hashlib.sha256(b"begin").digest())
# A child has its parent's memory, and its own from then on; the parent goes on when it has ended.
sys.stdout.flush()
child = os.fork()
if child == 0:
    run("child", 0, steps // 3, pause, digest)
    os._exit(0)
os.waitpid(child, 0)
run("parent", steps // 3, steps, pause, digest)
'''

# Looks at which of its own pages were written to, as some garbage collectors do, and counts on it.
COLLECTOR = """
import mmap, struct, time
memory = mmap.mmap(-1, 64 * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory[:] = b"x" * len(memory)
import ctypes
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
def written():
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(address // 4096 * 8)
        entries = struct.unpack("64Q", pagemap.read(64 * 8))
    return [page for page in range(64) if entries[page] >> 55 & 1]
for step in range(60):
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("4")
    memory[step * 4096] = step
    time.sleep(0.3)
    print(step, written(), sum(memory[:]), flush=True)
"""


@pytest.fixture
def whole_bed(bed):
    yield bed
    bed.out("ctl", "scancel --user=alice")
    for node in bed.nodes:
        wait_for(f"{node} to be idle", lambda node=node: bed.node_state(node) == "idle", 180)


def python(source, *arguments):
    """The lines it prints here."""
    return subprocess.run([sys.executable, "-c", source, *arguments], check=True, text=True, capture_output=True).stdout.splitlines()


def job_script(source, *arguments):
    return f"exec python3 - {' '.join(arguments)} <<'PY'\n{source}\nPY\n"


def known_bytes(bed, node, job):
    """Of each of its checkpoints made there, in order."""
    log = bed.out(node, f"journalctl -u stasisd -o cat | grep 'job={job.id}.batch checkpoint' || true")
    return [int(known) for known in re.findall(r" known=(\d+)", log)]


def checkpoint(bed, job, *options):
    """Whenever it is asked for, one of the job's lines after the last one."""
    job.wait_for_lines(len(job.output()) + 2)
    bed.out(job.record()["BatchHost"], f"stasis checkpoint {' '.join(options)} {job.id}")


def test_memory_that_was_not_written_to_is_known_and_right(whole_bed):
    bed = whole_bed
    expected = python(REMAPS, "0", "240")
    job = Moving(bed, job_script(REMAPS, "0.3", "240"), "--checkpoint-every=1d")
    for hop in range(3):
        job.running_on(hop)
        checkpoint(bed, job)
        checkpoint(bed, job)
        checkpoint(bed, job, "--requeue")
        job.running_on(hop + 1)
    known = known_bytes(bed, "n1", job) + known_bytes(bed, "n2", job)
    # A last checkpoint reads all if the job runs no more while that is found out.
    assert len(known) == 9 and sum(1 for size in known if size > 0) >= 6, known
    log = "".join(bed.out(node, "journalctl -u stasisd -o cat") for node in bed.nodes)
    assert f"job={job.id}.batch a dump with only what has changed failed" not in log
    assert job.end() == ("COMPLETED", "0:0", expected)


def test_a_program_that_tracks_its_own_memory_is_left_alone(whole_bed):
    bed = whole_bed
    job = Moving(bed, job_script(COLLECTOR), "--checkpoint-every=1d")
    node = job.running_on()
    for _ in range(3):
        checkpoint(bed, job)
    known = known_bytes(bed, node, job)
    # The first may come before the program has begun with it.
    assert known[1:] == [0, 0], known
    state, code, lines = job.end()
    assert (state, code) == ("COMPLETED", "0:0")
    assert lines == [f"{step} [{step}] {collector_sum(step)}" for step in range(60)]


def collector_sum(step):
    """Of its memory: every byte an x, but the first one of each page that was written to."""
    return ord("x") * (64 * 4096 - step - 1) + sum(range(step + 1))
