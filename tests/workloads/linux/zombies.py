"""Children that ended, by exit and by signal, and are waited for much later; orphans; a subreaper."""

import ctypes
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
pids = []
for number in range(20):
    pid = os.fork()
    if pid == 0:
        if number % 4 == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 4 == 2:
            # Leaves an orphan behind, which becomes a zombie of ours.
            if os.fork() == 0:
                time.sleep(1)
                os._exit(50 + number)
        os._exit(number)
    pids.append(pid)
for step in range(48):
    states = [open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] for pid in pids]
    if step >= 12:
        print("step", step, "".join(states), flush=True)
    time.sleep(0.25)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
orphans = []
while True:
    try:
        orphans.append(os.waitstatus_to_exitcode(os.wait()[1]))
    except ChildProcessError:
        break
print(sorted(orphans))
