"""subprocess: long-lived children that are talked to, short ones, exit codes, signals, descriptors handed down."""

import os
import signal
import subprocess
import sys
import time

sed = subprocess.Popen(["sed", "-u", "s/step/STEP/"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
child = """
import sys
for line in sys.stdin:
    print(sum(int(n) for n in line.split()), flush=True)
sys.exit(5)
"""
adder = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)
read, write = os.pipe()
teller = subprocess.Popen(["sh", "-c", f"while sleep 1; do echo told >&{write}; done"], pass_fds=[write])
os.close(write)
told = os.fdopen(read)
total = 0
for step in range(45):
    sed.stdin.write(f"step {step}\n")
    adder.stdin.write(f"{total} {step}\n")
    total = int(adder.stdout.readline())
    short = subprocess.run(["sh", "-c", f"printf %s {step} | sha256sum; exit {step % 4}"], stdout=subprocess.PIPE, text=True)
    print(sed.stdout.readline().strip(), total, short.stdout[:16], short.returncode, flush=True)
    if step % 10 == 9:
        print(told.readline().strip(), flush=True)
    time.sleep(0.25)
for process in (sed, adder):
    process.stdin.close()
    print("ended with", process.wait())
os.kill(teller.pid, signal.SIGKILL)
print("ended with", teller.wait())
