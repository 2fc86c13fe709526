"""200 processes in groups and sessions of their own, that talk to their parent through pipes."""

import os
import time

COUNT, STEPS = 200, 40
children = []
for number in range(COUNT):
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        for _, write, read in children:
            os.close(write)
            os.close(read)
        os.close(to_write)
        os.close(from_read)
        (os.setsid if number % 2 else os.setpgrp)()
        os.nice(number % 5)
        value = number
        while os.read(to_read, 1):
            value = (value * 31 + number) % 1000003
            os.write(from_write, b"%07d" % value)
        os._exit(number % 100)
    os.close(to_read)
    os.close(from_write)
    children.append((pid, to_write, from_read))
for step in range(STEPS):
    for _, write, _ in children:
        os.write(write, b".")
    values = [int(os.read(read, 7)) for _, _, read in children]
    groups = sum(os.getpgid(pid) == pid for pid, _, _ in children), sum(os.getsid(pid) == pid for pid, _, _ in children)
    print("step", step, sum(values) % 1000003, *groups, sum(os.getpriority(os.PRIO_PROCESS, pid) for pid, _, _ in children), flush=True)
    time.sleep(0.25)
for _, write, _ in children:
    os.close(write)
print("ended with", sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _, _ in children))
