"""Copies a shell to memory and runs it from there."""

import os

program = os.memfd_create("shell", os.MFD_CLOEXEC)
with open("/bin/bash", "rb") as file:
    os.write(program, file.read())
os.execve(program, ["bash", "-c", 'for i in $(seq 1 48); do echo "step $i"; sleep 0.25; done'], os.environ)
