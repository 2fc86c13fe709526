"""The product's main job on stock Debian: a protected job leaves a node that dies, or that it is told to leave, and goes
on elsewhere, with its files on NFS under root_squash and cgroup v2 in force."""

import re

import pytest

from bed import COUNTING, Moving, vmcluster, wait_for

# Keeps a file of its own in the NFS home open for reading and writing, a second one there that is removed at once, and one
# in the private /tmp, and folds what is in all of them into a checksum at every step.
FILES = """
cat >work-$SLURM_JOB_ID.py <<'PY'
import hashlib, os, sys, time
home = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
gone = os.open(sys.argv[1] + ".gone", os.O_RDWR | os.O_CREAT, 0o600)
os.unlink(sys.argv[1] + ".gone")
private = open("/tmp/private", "w+b")
digest = hashlib.sha256()
for i in range(60):
    os.pwrite(home, b"%08d" % (i * i), i * 5 % 17 * 8)
    os.pwrite(gone, b"%d" % i, i * 3)
    private.write(b"%d," % i)
    private.flush()
    digest.update(os.pread(home, 4096, 0))
    digest.update(os.pread(gone, 4096, 0))
    digest.update(os.pread(private.fileno(), 4096, 0))
    digest.update(b"%d" % os.fstat(home).st_size)
    print(i, digest.hexdigest()[:16], flush=True)
    time.sleep(0.5)
os.unlink(sys.argv[1])
sys.exit(3)
PY
exec python3 work-$SLURM_JOB_ID.py data-$SLURM_JOB_ID
"""


@pytest.fixture
def whole_bed(bed):
    """All nodes are up and idle, before the test and after it."""
    yield bed
    bed.out("ctl", "scancel --user=alice")
    for node in bed.nodes:
        started = vmcluster("start", node)
        assert started.returncode == 0, started.stderr
        wait_for(f"{node} to be idle", lambda node=node: bed.node_state(node) == "idle", 180)


def job_processes(bed, node, job_id):
    """(cgroup, name) of each process of the job's script on that node: shim, anchor and the script itself."""
    command = (
        f"for p in $(pgrep -u alice -f 'job0*{job_id}/slurm_script'); do"
        " printf '%s %s\\n' \"$(cat /proc/$p/cgroup)\" \"$(cat /proc/$p/comm)\"; done"
    )
    return [tuple(line.split(" ", 1)) for line in bed.out(node, command).splitlines()]


def assert_in_the_jobs_cgroup(bed, node, job_id):
    assert bed.out(node, "stat -f -c %T /sys/fs/cgroup") == "cgroup2fs"
    processes = job_processes(bed, node, job_id)
    # From Slurm 26 on it is called by an id that is another one after each requeue.
    cgroup = rf"0::/system\.slice/{node}_slurmstepd\.scope/(job_{job_id}|s[0-9A-Z]+)/step_batch/user/task_0"
    assert processes and all(re.fullmatch(cgroup, where) for where, _ in processes), processes
    names = [name for _, name in processes]
    assert "stasis-anchor" in names and "slurm_script" in names, names


def test_a_job_goes_on_from_its_checkpoint_when_its_machine_is_killed(whole_bed, undisturbed):
    expected = undisturbed(COUNTING)
    job = Moving(whole_bed, COUNTING, "--checkpoint-every=6s")
    node = job.running_on()
    job.wait_for_checkpoint(2)

    # The store is on NFS, where root is nobody: everything of the job's is alice's, and root of a node does not even see it.
    owners = {line.split()[0] for line in job.in_store()}
    assert owners == {"alice"}, job.in_store()
    assert any("/gen-000002/manifest" in line or "/gen-000003/manifest" in line for line in job.in_store())
    denied = whole_bed.run(node, "ls /scratch/stasis/vms/1001")
    assert denied.returncode != 0 and "Permission denied" in denied.stderr
    assert_in_the_jobs_cgroup(whole_bed, node, job.id)

    assert vmcluster("kill", node).returncode == 0
    other = job.running_on(restarts=1)
    assert other != node
    wait_for("it to say that it goes on", lambda: "goes on from checkpoint" in job.raw_output(), 120)
    assert_in_the_jobs_cgroup(whole_bed, other, job.id)
    assert job.end() == expected
    wait_for("its checkpoints to be removed", lambda: job.in_store() == [], 60)


def test_a_job_that_its_user_requeues_takes_a_last_checkpoint_and_moves(whole_bed, undisturbed):
    expected = undisturbed(COUNTING)
    job = Moving(whole_bed, COUNTING, "--checkpoint-every=1h")
    node = job.running_on()
    job.wait_for_lines(8)
    whole_bed.out("ctl", f"scontrol requeue {job.id}", user="alice")
    assert job.running_on(restarts=1) != node
    assert job.end() == expected
    assert "goes on from checkpoint 1" in job.raw_output()
    wait_for("its checkpoints to be removed", lambda: job.in_store() == [], 60)


def test_files_open_or_removed_on_nfs_and_in_the_private_tmp_are_right_after_a_kill(whole_bed, undisturbed):
    expected = undisturbed(FILES)
    job = Moving(whole_bed, FILES, "--checkpoint-every=6s")
    node = job.running_on()
    job.wait_for_checkpoint(1)
    job.wait_for_lines(20)
    # Of several checkpoints as many are kept as are to be.
    assert len([line for line in job.in_store("-name manifest")]) <= 3
    assert vmcluster("kill", node).returncode == 0
    assert job.running_on(restarts=1) != node
    assert job.end() == expected
    assert "goes on from checkpoint" in job.raw_output()
    assert whole_bed.out("ctl", f"ls data-{job.id} 2>/dev/null || true", user="alice") == ""
    wait_for("its checkpoints to be removed", lambda: job.in_store() == [], 60)


def test_a_memory_limit_holds_after_the_move(whole_bed):
    # cgroup v2 charges the restored memory to the job: what is over the limit then is killed there, too.
    script = """
exec python3 -c '
import os, time
start = time.monotonic()
print("started", flush=True)
while int(os.stat("go").st_size if os.path.exists("go") else 0) == 0:
    time.sleep(0.5)
hoard = b"x" * (400 << 20)
print("not killed", flush=True)
'
"""
    whole_bed.out("ctl", "rm -f go", user="alice")
    job = Moving(whole_bed, script, "--checkpoint-every=1h --mem=100")
    node = job.running_on()
    job.wait_for_lines(1)
    whole_bed.out("ctl", f"scontrol requeue {job.id}", user="alice")
    assert job.running_on(restarts=1) != node
    wait_for("it to say that it goes on", lambda: "goes on from checkpoint 1" in job.raw_output(), 120)
    whole_bed.out("ctl", "echo go >go", user="alice")
    state, _, output = job.end()
    whole_bed.out("ctl", "rm -f go", user="alice")
    assert state == "OUT_OF_MEMORY"
    assert "not killed" not in output
