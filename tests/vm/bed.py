"""The bed of virtual machines, as tests see it: scripts/vmcluster with results, and waiting with a deadline."""

import pathlib
import re
import shlex
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
VMCLUSTER = TOP / "scripts" / "vmcluster"

# No single command on a machine takes longer, however slow and busy the emulation is.
COMMAND_SECONDS = 120

# Lines in a job's output that are ours, or slurmstepd's about its end: with its name up to Slurm 25, with the time since.
NOT_ITS_OWN = re.compile(r"stasis: |slurmstepd|\[[0-9T:.-]*\] error: \*\*\* ")


def vmcluster(*args, env=None, seconds=900, **options):
    """Runs a verb to its end; the result has returncode, stdout and stderr."""
    return subprocess.run(
        [VMCLUSTER, *args], env=env, timeout=seconds, text=True, capture_output=True, stdin=subprocess.DEVNULL, **options
    )


def wait_for(what, condition, seconds, every=0.5):
    """The first truthy result of `condition`; an AssertionError that says what was awaited, and the last result, when
    the time is over."""
    until = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < until, f"waited {seconds} s for {what}; last seen: {result!r}"
        time.sleep(every)


class Bed:
    """A bed that is up. Commands are given as one string for the node's shell."""

    nodes = ("n1", "n2")

    def run(self, node, command, user="root", stdin="", seconds=COMMAND_SECONDS):
        return subprocess.run(
            [VMCLUSTER, "exec", node, "-u", user, "--", "sh", "-c", command],
            input=stdin, timeout=seconds, text=True, capture_output=True,
        )

    def out(self, node, command, user="root", **options):
        """What `command` printed; it must succeed."""
        result = self.run(node, command, user, **options)
        assert result.returncode == 0, f"{node}, {user}: {command}\n{result.stdout}{result.stderr}"
        return result.stdout.strip()

    def node_state(self, node):
        return self.out("ctl", f"sinfo -hN -p main -n {node} -o %T")

    def submit(self, script, options="", user="alice"):
        """Submits a batch script from the user's home directory and returns the job's id."""
        command = f"cd && sbatch --parsable {options}"
        return int(self.out("ctl", command, user, stdin="#!/bin/bash\n" + script))

    def job(self, job_id):
        """The job's record, as scontrol shows it."""
        shown = self.out("ctl", f"scontrol show job {job_id} -o")
        return dict(field.split("=", 1) for field in shown.split() if "=" in field)

    def finished(self, job_id, seconds=90):
        """Waits for the job's end and returns its record."""

        def ended():
            job = self.job(job_id)
            return job if job["JobState"] not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING") else None

        return wait_for(f"job {job_id} to end", ended, seconds)

    def job_output(self, job_id, user="alice"):
        path = self.job(job_id)["StdOut"]
        return self.out("ctl", f"cat {shlex.quote(path)}", user)


COUNTING = """
sum=start
for i in $(seq 1 60); do
  sum=$(echo "$sum $i" | sha256sum | cut -c1-16)
  echo "step $i $sum"
  sleep 0.5
done
echo "checksum $sum"
exit 7
"""


class Moving:
    """A job of alice's that is to end as if nothing had been."""

    def __init__(self, bed, script, options):
        self.bed = bed
        self.id = bed.submit(script, options)

    def record(self):
        return self.bed.job(self.id)

    def raw_output(self):
        """Nothing while the file is not there yet."""
        path = shlex.quote(self.record()["StdOut"])
        return self.bed.out("ctl", f"if [ -e {path} ]; then cat {path}; fi", user="alice")

    def output(self):
        """Without what Stasis and Slurm say in it."""
        return [line for line in self.raw_output().splitlines() if not NOT_ITS_OWN.match(line)]

    def running_on(self, restarts=0, seconds=240):
        """The node it runs on, once it has been requeued that often."""

        def node():
            job = self.record()
            return job["JobState"] == "RUNNING" and int(job["Restarts"]) >= restarts and job["BatchHost"]

        return wait_for(f"job {self.id} to run, requeued {restarts} times", node, seconds)

    def checkpoints(self):
        """How many of them its record tells of."""
        comment = self.bed.out("ctl", f"scontrol show job {self.id} -o").partition("AdminComment=stasis: checkpoint ")[2]
        return int(comment.split()[0]) if comment else 0

    def wait_for_checkpoint(self, number):
        wait_for(f"checkpoint {number} of job {self.id}", lambda: self.checkpoints() >= number, 180)

    def wait_for_lines(self, count):
        wait_for(f"{count} lines of job {self.id}", lambda: len(self.output()) >= count, 120)

    def end(self):
        """Its state and exit code, and its output."""
        job = self.bed.finished(self.id, 300)
        return job["JobState"], job["ExitCode"], self.output()

    def in_store(self, what="-mindepth 0"):
        """Paths of its checkpoints as the file server sees them, where root is root: owner, mode and path in each line."""
        find = f"find /scratch/stasis/vms/1001 -path '*/{self.id}-*' {what} -printf '%u %m %P\\n' 2>/dev/null || true"
        return self.bed.out("ctl", find).splitlines()
