"""What the user says when submitting, what is refused, and what a job that says nothing is spared."""

import re

import pytest

from bed import Job, counting, eventually


def protected_every(bed, job):
    """The interval the daemon keeps, from its log."""
    mark = f"job={job.id}.batch starts, checkpointed every "
    node = job.wait_running()
    eventually(lambda: mark in bed.log(node), 20, f"job {job.id} is protected")
    return bed.log(node).split(mark)[1].split("\n")[0]


@pytest.mark.parametrize(
    "written, meant",
    [("45", "45m"), ("45:00", "45m"), ("0:45:00", "45m"), ("0-0:45", "45m"), ("0-0:45:00", "45m"), ("1-12", "1d12h"), ("30s", "30s"), ("2h", "2h")],
)
def test_every_way_to_write_the_interval(bed, written, meant):
    job = bed.submit("#!/bin/sh\nsleep 30\n", f"--checkpoint-every={written}")
    assert protected_every(bed, job) == meant


def test_sbatch_line_and_environment(bed):
    line = bed.submit("#!/bin/sh\n#SBATCH --checkpoint-every=0-0:45\nsleep 30\n")
    assert protected_every(bed, line) == "45m"
    for variable in ("SLURM_CHECKPOINT", "SBATCH_CHECKPOINT_EVERY"):
        done = bed.run("ctl", "env", f"{variable}=0-0:50", "sbatch", "--parsable", "--wrap", "sleep 30", user="alice")
        job = Job(bed, int(done.stdout))
        assert protected_every(bed, job) == "50m"


@pytest.mark.parametrize(
    "option, words",
    [
        ("--checkpoint-every=soon", "write minutes (45)"),
        ("--checkpoint-every=0", "no time at all"),
        ("--checkpoint-method=dmtcp", "write criu, signal[:SIG[:SECONDS]] or auto[:SIG[:SECONDS]]"),
        ("--checkpoint-method=signal:KILL", "one of USR1, USR2"),
        ("--checkpoint-keep=0", "from 1 to 100"),
        ("--checkpoint-dir=here", "absolute path"),
        ("--restore-failure=maybe", "'hold' or 'restart'"),
    ],
)
@pytest.mark.parametrize("program", ["sbatch", "srun"])
def test_bad_values_are_refused_with_a_sentence(bed, program, option, words):
    done = bed.run("ctl", program, option, "--wrap=true" if program == "sbatch" else "/bin/true", user="alice")
    assert done.returncode != 0
    assert words in done.stderr


def test_an_interval_beyond_the_sites_limits_is_refused_where_it_is_known(bed):
    """The floor and the ceiling are those of stasis.yaml, for the partition on the command line; and they are applied, with
    a word to the user, when a job starts that could not be asked."""
    refused = bed.run("ctl", "sbatch", "-p", "preempt-grace", "--checkpoint-every=1-0", "--wrap=true", user="alice")
    assert refused.returncode != 0
    assert "--checkpoint-every: 1d is more than the 12h this partition allows at most" in refused.stderr
    assert bed.run("ctl", "sbatch", "-p", "main", "--checkpoint-every=1-0", "--wrap=true", user="alice").returncode == 0
    script = "#!/bin/sh\n#SBATCH -p preempt-grace\n#SBATCH --checkpoint-every=1-0\nsleep 20\n"
    assert protected_every(bed, bed.submit(script)) == "12h"


def test_help_names_every_option(bed):
    text = bed.sh("ctl", "sbatch --help", user="alice")
    for option in ("checkpoint-every=TIME", "requeue-on-ckpt", "checkpoint-method=criu|signal", "checkpoint-dir=PATH", "checkpoint-keep=N", "checkpoint-with=PATH", "restore-failure=hold|restart"):
        assert "--" + option in text


def test_output_is_appended_unless_the_user_said_otherwise(bed):
    """Seen in the job's own environment and in Slurm's record; a script that comes through a pipe is left alone."""

    def submitted(lines, *options):
        bed.run("ctl", "tee", "mode.sh", user="alice", input="#!/bin/sh\n" + lines + "echo ${SLURM_OPEN_MODE:-none}\n")
        done = bed.run("ctl", "sbatch", "--parsable", "-o", "%j.out", *options, "mode.sh", user="alice")
        job = Job(bed, int(done.stdout))
        job.wait_end()
        return job.output() + [job.field("Requeue")]

    assert submitted("", "--checkpoint-every=1h") == ["a", "1"]
    assert submitted("#SBATCH --checkpoint-every=1h\n") == ["a", "1"]
    assert submitted("#SBATCH --no-requeue\n#SBATCH --open-mode=truncate\n", "--checkpoint-every=1h") == ["t", "0"]
    assert submitted("", "--checkpoint-every=1h", "--no-requeue", "--open-mode=truncate") == ["t", "0"]
    assert submitted("", "--checkpoint-every=off") == ["none", "1"]
    piped = bed.submit("#!/bin/sh\n#SBATCH --no-requeue\nsleep 60\n", "--checkpoint-every=1h")
    assert piped.field("Requeue") == "0"


PICTURE = """#!/bin/bash
cat /proc/self/status | grep -E '^(Groups|Sig|Cap|Umask|NoNewPrivs|Seccomp|Cpus_allowed_list)'
ulimit -a
pwd; id; umask; nice
cat /proc/self/oom_score_adj
readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/ipc | sed 's/[0-9]*//g'
ls -l /proc/self/fd | awk '{print $9, $10, $11}' | sed 's/[0-9]*\\.out/OUT/; s/pipe:.*/pipe/; s/[0-9]*\\/fd/PID/'
ps -o stat=,comm= --ppid $PPID
tr '\\0' ' ' </proc/$PPID/cmdline
env | sort | grep -vE '^(SLURM_|TMPDIR|_=)'
env | sort | grep -oE '^SLURM_[A-Z_]*='
"""


def test_a_job_that_asked_for_nothing_is_untouched(bed):
    with_plugin = bed.submit(PICTURE)
    with_plugin.wait_end()
    bed.sh("ctl", "mv /etc/slurm/plugstack.conf.d/stasis.conf /etc/slurm/stasis.conf.away")
    try:
        without = bed.submit(PICTURE)
        without.wait_end()
    finally:
        bed.sh("ctl", "mv /etc/slurm/stasis.conf.away /etc/slurm/plugstack.conf.d/stasis.conf")

    def shape(job):
        return re.sub(rf"\b0*{job.id}\b|job0*{job.id}\b", "ID", job.raw_output()).splitlines()

    assert shape(with_plugin) == shape(without)


def test_a_protected_job_has_its_limits_groups_and_places(bed):
    picture = """#!/bin/bash
ulimit -a; pwd; id; umask; nice; hostname
grep -E '^(Groups|Sig|CapEff|Umask|NoNewPrivs|Cpus_allowed_list)' /proc/self/status
cat /proc/self/oom_score_adj
grep -E 'memory|cpuset|freezer' /proc/self/cgroup
echo $BED_TASK_PROLOG
env | grep -oE '^SLURM_[A-Z_]*=' | sort
"""
    plain = bed.submit(picture, "-w", "n1", "--checkpoint-every=off")
    plain.wait_end()
    job = bed.submit(picture, "-w", "n1", "--checkpoint-every=1h")
    job.wait_end()

    def shape(done):
        return [line for line in done.raw_output().replace(f"job_{done.id}", "job_ID").splitlines() if "CHECKPOINT" not in line and "OPEN_MODE" not in line]

    assert shape(job) == shape(plain)


def test_opting_out_of_a_protected_partition(bed):
    job = bed.submit("#!/bin/sh\nps -e -o comm= | grep -c stasis-shim\nsleep 1\n", "-p", "preempt", "--checkpoint-every=off")
    job.wait_end()
    assert job.output() == ["0"]


def test_srun_step_is_resumed_with_its_pipes(bed):
    """The script, which waits for srun, starts again; its step goes on where it was, and no line of it is lost."""
    script = """#!/bin/bash
echo "script $SLURM_RESTART_COUNT"
srun bash -c 'for i in $(seq 1 40); do echo "step $i"; sleep 0.2; done; exit 5'
echo "srun said $?"
"""
    job = bed.submit(script, "--checkpoint-every=1h")
    job.wait_lines(8)
    job.requeue()
    job.wait_running(restarts=1)
    assert job.wait_end() == ("COMPLETED", "0:0")
    lines = [line for line in job.output() if not line.startswith("srun:")]
    assert [line for line in lines if line.startswith("step")] == [f"step {i}" for i in range(1, 41)]
    assert lines[-1] == "srun said 5"
    assert lines.count("srun said 5") == 1 and not [line for line in lines if line.startswith("srun said") and line != lines[-1]]


def test_srun_step_leaves_at_its_own_interval(bed):
    script = """#!/bin/bash
srun --checkpoint-every=3s --requeue-on-ckpt bash -c 'for i in $(seq 1 40); do echo "step $i"; sleep 0.2; done; exit 5'
echo "srun said $?"
"""
    job = bed.submit(script, "--checkpoint-every=1h")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.restarts() >= 1
    lines = [line for line in job.output() if line.startswith("step")]
    assert lines == [f"step {i}" for i in range(1, 41)]
    assert job.output()[-1] == "srun said 5"


def test_srun_says_what_it_cannot_resume(bed):
    done = bed.run("ctl", "srun", "-N2", "--checkpoint-every=1h", "hostname", user="alice")
    assert done.returncode == 0
    assert "a step on several nodes cannot be resumed yet" in done.stderr


def test_required_instead_of_optional(bed):
    conf = "/etc/slurm/plugstack.conf.d/stasis.conf"
    bed.sh("ctl", f"sed -i s/optional/required/ {conf}")
    try:
        script = counting(8)
        job = bed.submit(script, "--checkpoint-every=1h")
        assert job.wait_end() == ("FAILED", "7:0")
        for node in bed.nodes:
            bed.service(node, "down", "stasisd")
        job = bed.submit(script, "--checkpoint-every=1h")
        assert job.wait_end() == ("FAILED", "7:0")
        assert len(job.output()) == 9
    finally:
        bed.sh("ctl", f"sed -i s/required/optional/ {conf}")
        for node in bed.nodes:
            bed.service(node, "up", "stasisd")
    assert "DRAIN" not in bed.sh("ctl", "sinfo -h -o %T").upper()
