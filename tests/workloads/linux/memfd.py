"""Memory files: plain, sealed, mapped, shared with a child."""

import hashlib
import fcntl
import mmap
import os
import time

plain = os.memfd_create("plain")
sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
shared = os.memfd_create("shared")
os.write(sealed, b"never changes" * 1000)
fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
os.ftruncate(shared, 1 << 20)
memory = mmap.mmap(shared, 1 << 20)
child = os.fork()
if child == 0:
    step = 0
    while step < 48:
        if memory[0] == step + 1:
            memory[100 + step] = (memory[99 + step] * 7 + step) % 251
            step += 1
            memory[1] = step
        time.sleep(0.01)
    os._exit(3)
for step in range(48):
    os.write(plain, b"%d\n" % step)
    memory[0] = step + 1
    while memory[1] != step + 1:
        time.sleep(0.01)
    try:
        os.pwrite(sealed, b"x", 0)
        refused = False
    except PermissionError:
        refused = True
    digest = hashlib.sha256(os.pread(sealed, 20000, 0) + os.pread(plain, 10000, 0) + memory[:]).hexdigest()
    print("step", step, refused, digest[:16], flush=True)
    time.sleep(0.22)
print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), fcntl.fcntl(sealed, fcntl.F_GET_SEALS))
