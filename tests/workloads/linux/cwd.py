"""A working directory far down, of some 2,800 characters, or one that was removed under its process."""

import os
import sys
import time

kind = sys.argv[1]
if kind == "deep-cwd":
    for depth in range(60):
        name = "a-directory-with-quite-a-long-name-%03d-of-060" % depth
        os.mkdir(name)
        os.chdir(name)
else:
    os.makedirs("/tmp/gone/too")
    os.chdir("/tmp/gone/too")
    os.rmdir("/tmp/gone/too")
    os.rmdir("/tmp/gone")
for step in range(48):
    if kind == "deep-cwd":
        with open("steps", "a") as file:
            print(step, file=file)
        says = len(os.getcwd()) > 2700, len(open("steps").readlines())
    else:
        try:
            says = os.getcwd(), os.listdir(".")
        except FileNotFoundError:
            says = "gone", os.stat(".").st_nlink, os.listdir(".")
    print("step", step, *says, flush=True)
    time.sleep(0.25)
