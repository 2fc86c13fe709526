"""The namespace test bed, as tests see it: nodes to run commands on, jobs to submit and watch.

Nothing here waits for a fixed time: eventually() polls until a deadline and says what it waited for in vain.
"""

import re
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CLUSTER = TOP / "scripts" / "cluster"
DAEMON_LOG = "/var/log/stasisd.log"
# Lines in a job's output that are ours, or slurmstepd's about its end: "slurmstepd-n1: error: *** JOB 7 ON ..." up to Slurm
# 25, and the time in the place of the name since.
OTHERS_LINES = r"^stasis: \|^slurmstepd\|^\[[0-9T:.-]*] error: \*\*\* "
NOT_ITS_OWN = re.compile(r"stasis: |slurmstepd|\[[0-9T:.-]*\] error: \*\*\* ")


class Failed(Exception):
    """A command on the bed failed."""


def eventually(predicate, timeout, what, pause=0.1):
    """Polls until predicate() is true, and returns its value. `pause`: for where looking costs what is measured."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not: {what() if callable(what) else what}")
        time.sleep(pause)


class Bed:
    script = CLUSTER
    nodes = ["n1", "n2", "n3"]
    log_starts = {}

    def verb(self, *words, check=True):
        done = subprocess.run([self.script, *words], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise Failed(f"cluster {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def run(self, node, *argv, user="root", input=None):
        """The finished process, whatever came of it."""
        return subprocess.run(
            [self.script, "exec", node, "-u", user, "--", *argv], capture_output=True, text=True, input=input, check=False
        )

    def sh(self, node, script, user="root"):
        """What a shell script prints; it must not fail."""
        done = self.run(node, "bash", "-c", script, user=user)
        if done.returncode != 0:
            raise Failed(f"on {node} as {user}: {script}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def kill(self, node):
        self.verb("kill", node)

    def start(self, node):
        """After kill(). A machine takes longer to boot than slurmctld tries to reach it; a bed's node is back at once, and
        would be told then to end the runs that died with it, by job ids that run there again."""

        def nothing_under_way():
            told = self.run("ctl", "sdiag")
            return told.returncode != 0 or {"Agent queue size: 0", "Agent count: 0"} <= {
                " ".join(line.split()) for line in told.stdout.splitlines()
            }

        eventually(nothing_under_way, 60, "slurmctld has no message under way")
        self.verb("start", node)

    def lose(self, node):
        """The node loses power, and its administrator sees it at once. Drained first: an answer of the node's that is
        still under way would bring it back to service, and jobs would be sent to it."""
        self.sh("ctl", f"scontrol update nodename={node} state=drain reason=power")
        self.kill(node)
        self.sh("ctl", f"scontrol update nodename={node} state=down reason=power && stasis node-down {node}")

    def give_back(self, node):
        """After lose()."""
        self.start(node)
        self.run("ctl", "scontrol", "update", f"nodename={node}", "state=resume")

    def service(self, node, action, name):
        self.run(node, "sh", "-c", f"SVDIR=/run/service sv {action} {name}")

    def log(self, node):
        """What the daemon on that node has logged since the test began, or since the node was last started."""
        begin = self.log_starts.get((node, DAEMON_LOG), 0)
        if int(self.run(node, "stat", "-L", "-c", "%s", DAEMON_LOG).stdout or 0) < begin:
            begin = 0
        return self.run(node, "tail", "-c", f"+{begin + 1}", DAEMON_LOG).stdout

    def daemon_log(self, node):
        return self.run(node, "cat", DAEMON_LOG).stdout

    def store(self):
        """Every job directory in the store, as '<uid>/<job>-<first start>'."""
        found = self.run("ctl", "sh", "-c", "cd /scratch/stasis/bed 2>/dev/null && ls -d */* 2>/dev/null").stdout
        return found.split()

    def stores(self, job):
        """Whether there is anything of that job in the store."""
        return any(name.split("/")[1].startswith(f"{job.id}-") for name in self.store())

    def submit(self, script, *options, user="alice"):
        """A batch job of that script text."""
        done = self.run("ctl", "sbatch", "--parsable", "-o", "%j.out", *options, user=user, input=script)
        if done.returncode != 0:
            raise Failed(f"sbatch {' '.join(options)}: {done.stderr}")
        return Job(self, int(done.stdout.strip().split(";")[0]), user)


class Job:
    def __init__(self, bed, number, user="alice"):
        self.bed = bed
        self.id = number
        self.user = user

    def field(self, name):
        """A field of `scontrol show job`, or None."""
        text = self.bed.run("ctl", "scontrol", "-o", "show", "job", str(self.id)).stdout
        for word in text.split():
            if word.startswith(name + "="):
                return word[len(name) + 1 :]
        return None

    def state(self):
        return self.field("JobState")

    def node(self):
        return self.field("BatchHost") if self.state() == "RUNNING" else None

    def raw_output(self):
        return self.bed.run("ctl", "cat", f"/home/{self.user}/{self.id}.out").stdout

    def output(self):
        """Without what Stasis and Slurm say in it."""
        lines = self.raw_output().splitlines()
        return [line for line in lines if not NOT_ITS_OWN.match(line)]

    def checkpoints(self):
        """How many checkpoints Slurm's record of the job tells of."""
        text = self.bed.run("ctl", "scontrol", "-o", "show", "job", str(self.id)).stdout
        mark = "AdminComment=stasis: checkpoint "
        return int(text.split(mark)[1].split()[0]) if mark in text else 0

    def restarts(self):
        return int(self.field("Restarts") or 0)

    def requeue(self):
        self.bed.sh("ctl", f"scontrol requeue {self.id}", user=self.user)

    def cancel(self):
        self.bed.run("ctl", "scancel", str(self.id))

    def end_with_checkpoints(self):
        """Ends it so that its checkpoints stay: cancelled while it waits."""
        self.bed.sh("ctl", f"scontrol requeuehold {self.id}", user=self.user)
        eventually(lambda: self.state() == "PENDING", 60, f"job {self.id} waits")
        self.bed.sh("ctl", f"scancel {self.id}", user=self.user)
        eventually(lambda: self.state() == "CANCELLED", 60, f"job {self.id} is cancelled")

    def wait_lines(self, count, timeout=60):
        eventually(lambda: len(self.output()) >= count, timeout, f"{count} lines of output of job {self.id}")

    def wait_running(self, timeout=60, restarts=0):
        eventually(
            lambda: self.state() == "RUNNING" and self.restarts() >= restarts,
            timeout,
            f"job {self.id} runs (restarts >= {restarts})",
        )
        return self.node()

    def wait_left(self, restarts, timeout=60):
        """Slurm counts a restart as soon as it is asked for one, when the old run may be about to make a last checkpoint still."""
        eventually(
            lambda: self.restarts() > restarts and self.state() in ("PENDING", "RUNNING"),
            timeout,
            f"job {self.id} has left its node (restarts > {restarts})",
        )

    def wait_checkpoint(self, number=1, timeout=60):
        eventually(lambda: self.checkpoints() >= number, timeout, f"checkpoint {number} of job {self.id}")

    def wait_end(self, timeout=120):
        """Its final state and exit code, such as ('FAILED', '7:0')."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL")
        eventually(lambda: self.state() in over, timeout, lambda: f"the end of job {self.id}\n{self.trail()}")
        return self.state(), self.field("ExitCode")

    def trail(self):
        """What Slurm, the daemons and the job itself say of it, in few lines: for messages."""
        words = self.bed.run("ctl", "scontrol", "-o", "show", "job", str(self.id)).stdout.split()
        wanted = ("JobState=", "Reason=", "Restarts=", "StartTime=", "BatchHost=", "ExcNodeList=", "Priority=")
        lines = [" ".join(word for word in words if word.startswith(wanted))]
        for node in self.bed.nodes:
            of_job = [line for line in self.bed.log(node).splitlines() if f"job={self.id}." in line]
            lines += [f"{node}: {line}" for line in of_job[-8:]]
            left = self.bed.run(node, "pgrep", "-la", "stasis-|criu").stdout.splitlines()
            lines += [f"{node} runs: {line}" for line in left]
        return "\n".join(lines + self.raw_output().splitlines()[-3:])


def counting(steps, pause=0.25, code=7):
    """A script that folds numbers into a checksum, a line for each, and ends with an exit code of its own."""
    return f"""#!/bin/bash
sum=start
for i in $(seq 1 {steps}); do
  sum=$(echo "$sum $i" | sha256sum | cut -c1-16)
  echo "step $i $sum"
  sleep {pause}
done
echo "checksum $sum"
exit {code}
"""
