"""Where scripts/bench measures, and the programs that it measures there."""

import base64
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "cluster"))

from bed import Bed, eventually  # noqa: E402

NODE = "n1"
PLACE = "/scratch/bench"
# Of a virtual machine: an equal program, its images in the page cache and the job fit in beside one another.
MACHINE_MIB = 5000


class Machines(Bed):
    """The bed of virtual machines, whose kernel tells which pages were written to."""

    script = TOP / "scripts" / "vmcluster"

    def daemon_log(self, node):
        # The moment first, as in the other bed's log.
        lines = self.run(node, "journalctl", "-u", "stasisd", "-o", "short-iso-precise", "--no-pager").stdout
        return "\n".join(line for line in lines.splitlines() if not line.startswith("-- "))


def bring_up(virtual):
    bed = Machines() if virtual else Bed()
    environment = os.environ | ({"STASIS_VM_MEMORY": str(MACHINE_MIB)} if virtual else {})
    if subprocess.run([bed.script, "up"], check=False, env=environment).returncode != 0:
        raise SystemExit(1)  # it has said why
    bed.sh(NODE, f"mkdir -p -m 1777 {PLACE}")
    put_load(bed)
    return bed


def put_load(bed):
    """The program, for whatever system is on the node."""
    load = TOP / "build" / "bench" / "load"
    load.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", load, TOP / "tests" / "bench" / "load.c"], check=True)
    text = base64.b64encode(load.read_bytes()).decode()
    done = bed.run(NODE, "bash", "-c", f"base64 -d >{PLACE}/load && chmod 755 {PLACE}/load", input=text)
    if done.returncode != 0:
        raise SystemExit(f"bench: {done.stderr}")


class Load:
    """A program that holds memory, as a protected job or as a process of nobody's."""

    serial = 0

    def __init__(self, bed, name, mib, processes, protected):
        self.bed, self.processes, self.place = bed, processes, f"{PLACE}/{name}"
        self.cpus = min(processes, int(bed.sh(NODE, "nproc")))
        bed.sh(NODE, f"rm -rf {self.place} && mkdir -m 1777 {self.place}")
        command = f"{PLACE}/load {mib} {processes} {self.place}"
        if protected:
            # The root of the tree is a shell that has become the program.
            script = f"#!/bin/sh\nexec {command}\n"
            self.job = bed.submit(script, "--checkpoint-every=1d", "-w", NODE, f"--mem={mib + 500}", "-c", str(self.cpus), "-o", f"{self.place}/%j.out")
        else:
            self.pid = int(bed.sh(NODE, f"{{ cd /; exec setsid {command}; }} </dev/null >/dev/null 2>&1 & echo $!"))
        self.wait(0)

    def wait(self, serial):
        wanted = [f"{self.place}/done.{process}.{serial}" for process in range(self.processes)]
        eventually(lambda: self.bed.run(NODE, "ls", *wanted).returncode == 0, 300, f"{self.place}: change {serial}")

    def change(self, percent):
        self.serial += 1
        self.bed.sh(NODE, f"echo {self.serial} {percent} >{self.place}/.order && mv {self.place}/.order {self.place}/order")
        self.wait(self.serial)

    def end(self):
        if hasattr(self, "job"):
            self.job.cancel()
            eventually(lambda: self.bed.run("ctl", "squeue", "-h", "-j", str(self.job.id)).stdout == "", 60, "the job's end")
        else:
            self.bed.run(NODE, "pkill", "-9", "-s", str(self.pid))
