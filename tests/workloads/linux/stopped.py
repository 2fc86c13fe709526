"""Children that are stopped over moves, continue, and count on where they were."""

import os
import signal
import time


def state(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]


def wait_until(pid, wanted):
    while state(pid) not in wanted:
        time.sleep(0.01)


children = []
for number in range(4):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        count = 0
        while True:
            count += 1
            os.write(write, b"%05d" % count)
            signal.pause() if number == 3 else time.sleep(0.05)
    os.close(write)
    children.append((pid, read))
# One is stopped all the time, one every other step, two never.
always, now_and_then = children[0][0], children[1][0]
for pid in (always, now_and_then):
    os.kill(pid, signal.SIGSTOP)
    wait_until(pid, "T")
last = 0
for step in range(48):
    time.sleep(0.25)
    # Seen by each other they are traced for a moment more, while they are let go one by one.
    while "t" in (states := [state(pid).replace("R", "S") for pid, _ in children]):
        time.sleep(0.01)
    if step % 2:
        os.kill(now_and_then, signal.SIGCONT)
        wait_until(now_and_then, "SR")
        got = int(os.read(children[1][1], 5))
        # What it wrote before it was stopped may still be in the pipe: only that it goes on without a gap is sure.
        assert got == last + 1
        last = got
        os.kill(now_and_then, signal.SIGSTOP)
        wait_until(now_and_then, "T")
    print("step", step, *states, last, flush=True)
os.kill(always, signal.SIGCONT)
wait_until(always, "SR")
for pid, read in children:
    os.kill(pid, signal.SIGKILL)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in children])
