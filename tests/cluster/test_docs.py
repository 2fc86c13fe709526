"""Every command of Slurm's and ours that the pages tell users and administrators to type is typed, as it stands there.

For 812, a checkpoint 7 and node n17 there are a job, a checkpoint and a node of the bed. How to install, to set up and to
remove is typed by tests/vm/test_docs.py.
"""

import json
import re

import pytest

from bed import TOP, Job, counting, eventually


def commands(page):
    return re.findall(r"(?m)^    ((?:\w+=\S+ )*(?:sbatch|scontrol|stasis(?! keygen| doctor)|tail|strigger --get)\b.*)$", (TOP / page).read_text())


class Typist:
    """Of one protected job, which is there for all commands."""

    def __init__(self, bed):
        self.bed = bed
        self.submit()

    def submit(self):
        self.job = self.bed.submit(counting(3000), "--checkpoint-every=1h", "-o", "slurm-%j.out")

    def run(self, command, user):
        if self.job.field("Priority") == "0":
            self.bed.sh("ctl", f"scontrol release {self.job.id}")
        node = self.job.wait_running()
        if self.job.checkpoints() == 0:
            self.bed.sh(node, f"stasis checkpoint {self.job.id}")
        if "release" in command or "restart" in command:
            self.bed.sh("ctl", f"scontrol requeuehold {self.job.id}")
            eventually(lambda: self.job.state() == "PENDING" and self.job.field("Priority") == "0", 60, "the job is held")
        if "--new" in command or "--checkpoint-from" in command:
            return self.go_on_as_new(command, node)
        command = command.replace("812", str(self.job.id)).replace("n17", node).replace("tail -f", "tail")
        command = command.replace(f"{self.job.id}:7", f"{self.job.id}:{self.newest(node)}")
        if re.match(r"(\w+=\S+ )*sbatch", command):
            return self.submit_and_cancel(command)
        self.bed.sh(node if command.startswith("stasis") else "ctl", f"cd /home/alice && {command}", user=user)

    def go_on_as_new(self, command, node):
        """The new job is as good as any, and the old one is over."""
        newest = self.newest(node)
        if self.job.state() == "PENDING":
            self.bed.sh("ctl", f"scontrol release {self.job.id}")
            self.job.wait_running()
        self.job.end_with_checkpoints()
        command = command.replace("812:7", f"{self.job.id}:{newest}").replace("812", str(self.job.id))
        answer = self.bed.sh(node if command.startswith("stasis") else "ctl", f"cd /home/alice && {command}", user="alice")
        new = Job(self.bed, int(re.search(r"job (\d+)", answer)[1]))
        eventually(lambda: "goes on from checkpoint" in self.said(new), 60, lambda: f"it goes on\n{new.trail()}\n{self.said(new)}")
        new.cancel()
        self.submit()

    def said(self, job):
        return self.bed.run("ctl", "cat", job.field("StdOut")).stdout

    def newest(self, node):
        shown = json.loads(self.bed.sh(node, f"stasis show --json {self.job.id}"))
        return max(one["number"] for one in shown["checkpoints"])

    def submit_and_cancel(self, command):
        answer = self.bed.sh("ctl", f"cd /home/alice && {command}", user="alice")
        number = re.search(r"Submitted batch job (\d+)", answer)[1]
        state = self.bed.sh("ctl", f"scontrol show job {number}")
        assert re.search(r"JobState=(PENDING|RUNNING|CONFIGURING)", state), state
        self.bed.sh("ctl", f"scancel {number}")


@pytest.fixture
def typist(bed):
    bed.sh("ctl", "mkdir -p /scratch/mine && chmod 1777 /scratch/mine")
    bed.sh("ctl", "mkdir -p /scratch/mine/run-17 && printf '#!/bin/sh\\nexec sleep 60\\n' >job.sh", user="alice")
    yield Typist(bed)
    for node in bed.nodes:
        bed.run("ctl", "scontrol", "update", f"nodename={node}", "state=resume")


def test_what_users_are_told_to_type(typist):
    found = commands("docs/users.md") + commands("README.md")
    assert len(found) > 20 and sum(command.startswith(("SLURM_CHECKPOINT=", "RESULT_FOLDER=")) for command in found) == 2
    for command in found:
        typist.run(command, user="alice")


def test_what_administrators_are_told_to_type(typist):
    found = commands("docs/admins.md")
    assert len(found) > 8
    for command in found:
        typist.run(command, user="root")
