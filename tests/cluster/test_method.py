"""Programs that write checkpoints of their own: told to by a signal, moved, and started again by their script."""

import pytest

from bed import eventually

# Sums up to `steps`, a line for each, from where its file says. Told by a signal it writes the file after the step, and
# then ends or goes on, as its second word says.
PROGRAM = """
import os, pickle, signal, sys, time
steps, then = int(sys.argv[1]), sys.argv[2]
path = os.environ["SLURM_JOB_ID"] + ".state"
step, total = pickle.load(open(path, "rb")) if os.path.exists(path) else (0, 0)
told = []
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda *_: told.append(1))
while step < steps:
    step += 1
    total = (total * 31 + step) % 1000003
    print("step", step, total, flush=True)
    time.sleep(0.25)
    if told:
        told.clear()
        with open(path + ".new", "wb") as file:
            pickle.dump((step, total), file)
        os.rename(path + ".new", path)
        print("saved", step, file=sys.stderr, flush=True)
        if then == "ends":
            sys.exit(0)
print("total", total, flush=True)
"""


def program(steps, then="ends", code=7):
    """The script has a line after the program, which must not be reached before the program is done."""
    return f"""#!/bin/bash
cat >$SLURM_JOB_ID.py <<'TXT'{PROGRAM}TXT
python3 $SLURM_JOB_ID.py {steps} {then} 2>>$SLURM_JOB_ID.saved
echo "done: $?"
exit {code}
"""


@pytest.fixture(scope="module", autouse=True)
def no_script_of_before(whole_bed):
    yield
    whole_bed.run("ctl", "sh", "-c", "rm -f /home/alice/*.state /home/alice/*.saved /home/alice/*.py")


def saved(bed, job):
    return bed.run("ctl", "cat", f"/home/alice/{job.id}.saved").stdout.splitlines()


def test_at_the_interval_the_program_is_told_and_runs_on(bed, same_as_undisturbed):
    script = program(30, "goes on")
    job = bed.submit(script, "--checkpoint-every=2s", "--checkpoint-method=signal")
    eventually(lambda: len(saved(bed, job)) >= 2, 60, "it was told twice")
    same_as_undisturbed(job, script)
    assert job.restarts() == 0 and job.raw_output().count("stasis:") == 0
    assert not bed.stores(job), "CRIU had no part in it"


def test_requeue_on_ckpt_moves_it_at_each_interval(bed, same_as_undisturbed):
    script = program(40)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--checkpoint-method=signal:TERM:20")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
    assert job.raw_output().count("stasis: job %d requeued, its script will start again\n" % job.id) == job.restarts()
    assert len(saved(bed, job)) == job.restarts()


def test_a_program_that_runs_on_is_ended_when_its_time_is_over(bed):
    job = bed.submit(program(60, "goes on"), "--checkpoint-every=4s", "--requeue-on-ckpt", "--checkpoint-method=signal:USR1:2")
    assert job.wait_end(300) == ("FAILED", "7:0")
    assert job.restarts() >= 1
    lines = [line for line in job.output() if line.startswith("step ")]
    assert [int(line.split()[1]) for line in dict.fromkeys(lines)] == list(range(1, 61)), "nothing is missing or different"
    assert job.output().count("done: 0") == 1


def test_preemption_without_grace(bed, same_as_undisturbed):
    script = program(40)
    job = bed.submit(script, "-p", "preempt", "--checkpoint-method=signal")
    job.wait_lines(8)
    urgent = bed.submit("#!/bin/sh\nsleep 3\n", "-N3", "--exclusive", "--mem=100")
    urgent.wait_end()
    same_as_undisturbed(job, script)
    assert job.restarts() == 1
    assert len(saved(bed, job)) == 1
    assert "SIGUSR1 sent, 10 s for the program" in job.raw_output(), "KillWait is what Slurm leaves"


def test_preemption_within_grace(bed, same_as_undisturbed):
    script = program(100)
    job = bed.submit(script, "-p", "preempt-grace", "--checkpoint-method=signal")
    job.wait_lines(8)
    urgent = bed.submit("#!/bin/sh\nsleep 3\n", "-N3", "--exclusive", "--mem=100")
    urgent.wait_running(timeout=90)
    assert job.restarts() == 1, "it left within its grace time"
    same_as_undisturbed(job, script)
    assert job.restarts() == 1, "and was requeued just once"


def test_time_limit(bed, same_as_undisturbed):
    script = program(260)
    job = bed.submit(script, "--checkpoint-every=1h", "--checkpoint-method=signal:TERM:10", "-t", "1")
    same_as_undisturbed(job, script, timeout=240)
    assert job.restarts() == 1
    assert "SIGTERM asks a program to end, so it is sent only when the job has to leave" in job.raw_output()


def test_requeue_by_its_user(bed, same_as_undisturbed):
    script = program(40)
    job = bed.submit(script, "--checkpoint-every=1h", "--checkpoint-method=signal")
    job.wait_lines(8)
    job.requeue()
    same_as_undisturbed(job, script)
    assert len(saved(bed, job)) == 1


def test_scancel_in_the_time_of_the_program_is_the_end(bed):
    job = bed.submit(program(400, "goes on"), "--checkpoint-every=2s", "--requeue-on-ckpt", "--checkpoint-method=signal:USR1:600")
    eventually(lambda: "SIGUSR1 sent" in job.raw_output(), 60, "it was told")
    job.cancel()
    assert job.wait_end()[0] == "CANCELLED"
    assert job.restarts() == 0


def test_a_trap_of_the_script_is_for_programs_that_know_no_signal(bed):
    script = """#!/bin/bash
trap 'touch STOP-$SLURM_JOB_ID' USR1
rm -f STOP-$SLURM_JOB_ID
n=$(cat $SLURM_JOB_ID.state 2>/dev/null || echo 0)
export n
sh -c 'while [ $n -lt 30 ]; do n=$((n + 1)); echo $n; sleep 0.25; [ -e STOP-$SLURM_JOB_ID ] && break; done; echo $n >$SLURM_JOB_ID.state' &
wait $! || wait $!
[ "$(cat $SLURM_JOB_ID.state)" = 30 ] || exit 1
"""
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--checkpoint-method=signal:USR1:20")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.output() == [str(n) for n in range(1, 31)]
    assert job.restarts() >= 1


def test_a_job_in_which_nobody_catches_it_runs_to_its_end_and_says_why(bed):
    job = bed.submit("#!/bin/sh\nfor i in $(seq 20); do echo $i; sleep 0.25; done\n", "--checkpoint-every=2s", "--requeue-on-ckpt",
                     "--checkpoint-method=signal")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.restarts() == 0
    assert job.raw_output().count("stasis: warning: no process of the job catches SIGUSR1, so it was not sent\n") == 1


def test_auto_moves_with_criu_what_criu_can_keep(bed, same_as_undisturbed):
    script = program(30)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--checkpoint-method=auto")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 1 and "goes on from checkpoint 1" in job.raw_output()
    assert saved(bed, job) == []


def test_auto_sends_the_signal_where_criu_cannot(bed, same_as_undisturbed):
    # A message queue is something that CRIU cannot dump.
    queue = "import ctypes; ctypes.CDLL(None).mq_open(b'/q', 0o102, 0o600, None)\nimport os,"
    script = program(40).replace("import os,", queue, 1)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--checkpoint-method=auto:USR1:20")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 1 and "it gets SIGUSR1 instead" in job.raw_output()
    assert len(saved(bed, job)) == job.restarts()


def test_a_task_of_a_step_is_told_by_itself_and_its_script_sees_nothing(bed, same_as_undisturbed):
    script = program(40).replace("python3 ", "srun python3 ").replace("cat >", "[ -e $SLURM_JOB_ID.py ] || cat >")
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--checkpoint-method=signal:USR1:20")
    assert job.wait_end(240) == ("FAILED", "7:0")
    lines = [line for line in job.output() if line.startswith(("step", "total", "done"))]
    assert [line.split()[1] for line in lines[:40]] == [str(n) for n in range(1, 41)]
    assert lines[41:] == ["done: 0"] and job.restarts() >= 1


def test_the_interval_adapts_to_what_checkpoints_cost(bed):
    job = bed.submit("#!/bin/sh\nsleep 300\n", "--checkpoint-every=auto", "-p", "preempt")
    node = job.wait_running()
    job.wait_checkpoint(2)
    eventually(lambda: "(measured)" in bed.sh(node, f"stasis show {job.id}", user="alice"), 20, "the cost is known")
    text = bed.sh(node, f"stasis show {job.id}", user="alice")
    assert ", automatically: a checkpoint costs it " in text and "a node fails every 10s" in text
