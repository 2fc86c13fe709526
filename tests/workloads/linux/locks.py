"""POSIX, OFD and BSD locks on files in the job's directory and in /tmp, held over moves by processes that exclude each other."""

import fcntl
import os
import struct
import sys
import time

F_OFD_SETLK = 37
STEPS = 48


def ofd(file, kind):
    fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 10, 0))


def state(path):
    """What a process of its own can lock: of each kind, whether it may."""
    free = []
    for take in (
        lambda file: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0),
        lambda file: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 100),
        lambda file: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100),
        lambda file: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB),
    ):
        with open(path, "r+b") as file:
            try:
                take(file)
                free.append("free")
            except OSError:
                free.append("held")
    return free


paths = ["lock", "/tmp/lock"]
held = []
for path in paths:
    with open(path, "wb") as file:
        file.write(bytes(1000))
    posix, bsd, open_file = open(path, "r+b"), open(path, "r+b"), open(path + ".ofd", "w+b")
    fcntl.lockf(posix, fcntl.LOCK_EX, 10, 0)
    fcntl.lockf(posix, fcntl.LOCK_SH, 10, 100)
    fcntl.flock(bsd, fcntl.LOCK_EX)
    ofd(open_file, fcntl.F_WRLCK)
    held.append((posix, bsd, open_file))

child_in, parent_out = os.pipe()
parent_in, child_out = os.pipe()
if os.fork() == 0:
    for posix, bsd, open_file in held:
        bsd.close()
    while os.read(child_in, 1) == b"?":
        answers = [" ".join(state(path)) for path in paths]
        for path in paths:
            with open(path + ".ofd", "r+b") as file:
                try:
                    ofd(file, fcntl.F_WRLCK)
                    answers.append("free")
                except OSError:
                    answers.append("held")
        os.write(child_out, (", ".join(answers) + "\n").encode())
    sys.exit(0)
answers = os.fdopen(parent_in)
for step in range(STEPS):
    if step == STEPS // 2:
        # From here on the first region and the BSD lock are free.
        for posix, bsd, open_file in held:
            fcntl.lockf(posix, fcntl.LOCK_UN, 10, 0)
            fcntl.flock(bsd, fcntl.LOCK_UN)
    os.write(parent_out, b"?")
    print("step", step, answers.readline().strip(), flush=True)
    time.sleep(0.25)
os.write(parent_out, b".")
print("ended with", os.wait()[1])
