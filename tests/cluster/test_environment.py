"""What a script finds of Slurm after a move: its variables, its steps, its array."""

from bed import eventually


def test_variables_and_commands_of_slurm_after_a_move(bed):
    script = """#!/bin/bash
echo "before $SLURM_JOB_NODELIST $SLURMD_NODENAME"
until [ -e go-$SLURM_JOB_ID ]; do sleep 0.1; done
rm go-$SLURM_JOB_ID
echo "old $SLURM_JOB_NODELIST"
. "$STASIS_ENV"
echo "after $SLURM_JOB_NODELIST $SLURMD_NODENAME $SLURM_RESTART_COUNT"
srun hostname
scontrol -o show job $SLURM_JOB_ID | grep -o 'Restarts=[0-9]*'
srun --checkpoint-every=off sh -c 'echo "step on $SLURMD_NODENAME"'
"""
    job = bed.submit(script, "--checkpoint-every=1h")
    first = job.wait_running()
    job.wait_lines(1)
    job.requeue()
    second = job.wait_running(restarts=1)
    assert second != first
    eventually(lambda: "goes on from checkpoint" in job.raw_output(), 60, "it goes on")
    bed.sh("ctl", f"touch go-{job.id}", user="alice")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.output() == [f"before {first} {first}", f"old {first}", f"after {second} {second} 1", second, "Restarts=1", f"step on {second}"]


def test_a_task_of_an_array_keeps_its_index(bed):
    script = """#!/bin/bash
for i in $(seq 1 30); do echo "$SLURM_ARRAY_TASK_ID $SLURM_ARRAY_JOB_ID step $i"; sleep 0.25; done
. "$STASIS_ENV"
echo "task $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_COUNT"
"""
    array = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt", "--array=4,7", "-o", "array-%a.out")

    def over():
        return bed.run("ctl", "squeue", "-h", "-j", str(array.id)).stdout == ""

    eventually(over, 180, "both tasks have ended")
    for index in (4, 7):
        lines = bed.sh("ctl", f"cat array-{index}.out; rm array-{index}.out", user="alice").splitlines()
        assert [line for line in lines if not line.startswith("stasis:")] == [f"{index} {array.id} step {i}" for i in range(1, 31)] + [
            f"task {index} of 2"
        ]
        assert any("goes on from checkpoint" in line for line in lines)


def test_a_terminal_keeps_its_number_where_another_has_it(bed):
    """It could be restored only where no ssh session and no other job had a terminal of that number."""
    script = """#!/bin/bash
exec python3 -u -c '
import os, time
ours, theirs = os.openpty()
for step in range(40):
    os.write(theirs, b"step %d" % step)
    print(os.ttyname(theirs), os.read(ours, 100).decode())
    time.sleep(0.25)
'
"""
    theirs = "setsid timeout 120 script -q -c 'echo $$ >/run/theirs; tty; exec sleep 120' /dev/null </dev/null >/run/tty 2>&1 &"
    for node in bed.nodes:
        bed.sh(node, theirs)
        eventually(lambda node=node: bed.sh(node, "cat /run/tty 2>/dev/null || true"), 20, "somebody else has a terminal")
    try:
        job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
        assert job.wait_end(180) == ("COMPLETED", "0:0")
        assert job.output() == [f"/dev/pts/0 step {step}" for step in range(40)]
        assert job.restarts() >= 2
        assert ["/dev/pts/0"] * len(bed.nodes) == [bed.sh(node, "cat /run/tty") for node in bed.nodes]
    finally:
        for node in bed.nodes:
            bed.sh(node, "kill $(cat /run/theirs); rm /run/theirs /run/tty")
