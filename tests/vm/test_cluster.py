"""The bed is a real cluster: stock Slurm, cgroup v2, shared storage that root may not write on, nodes that can die."""

import pytest

from bed import vmcluster, wait_for


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_job_of_an_ordinary_user_runs_on_each_node(bed, node):
    job = bed.finished(bed.submit("hostname; id -un", f"-w {node}"))
    assert job["JobState"] == "COMPLETED"
    assert bed.job_output(job["JobId"]).split() == [node, "alice"]


def test_one_job_step_spans_all_nodes(bed):
    assert sorted(bed.out("ctl", "srun -N2 hostname", user="alice").split()) == ["n1", "n2"]


def test_exec_passes_status_and_binary_data_through(bed):
    assert bed.run("n1", "exit 7").returncode == 7
    assert bed.run("n1", "kill -KILL $$").returncode == 128 + 9
    result = bed.run("n2", "cat; echo error >&2", stdin="line\0\r\n" * 20000)
    assert result.stdout == "line\0\n" * 20000  # text mode folds \r\n; nothing else is changed
    assert result.stderr == "error\n"


def test_exec_keeps_arguments_apart(bed):
    result = vmcluster("exec", "n1", "-u", "alice", "--", "printf", "[%s]", "a b", "$HOME", "", "it's", "*")
    assert result.stdout == "[a b][$HOME][][it's][*]"


@pytest.mark.parametrize("partition, setting", [
    ("main", "Default=YES"),
    ("preempt", "PreemptMode=REQUEUE"),
    ("preempt-grace", "GraceTime=60"),
    ("high", "PriorityTier=100"),
])
def test_the_partitions_are_those_of_a_site_that_preempts(bed, partition, setting):
    assert setting in bed.out("ctl", f"scontrol show partition {partition} -o").split()


def test_what_stasis_has_to_overcome_is_left_as_it_is(bed):
    config = bed.out("ctl", "scontrol show config")
    assert "JobFileAppend           = 0" in config
    assert "KillWait                = 30 sec" in config
    assert "requeue_delay" not in config


def test_root_of_a_node_cannot_write_on_the_shared_scratch_and_users_can(bed):
    for node in bed.nodes:
        assert bed.run(node, "touch /scratch/by-root").returncode == 0  # mode 1777: as nobody, like anyone
        assert bed.out(node, "stat -c %U /scratch/by-root; rm /scratch/by-root") == "nobody"
        directory = f"/scratch/of-alice-{node}"
        bed.out(node, f"mkdir -m 755 {directory} && echo mine >{directory}/file && chmod 600 {directory}/file", user="alice")
        denied = bed.run(node, f"touch {directory}/by-root")
        assert denied.returncode != 0 and "Permission denied" in denied.stderr
        denied = bed.run(node, f"cat {directory}/file")
        assert denied.returncode != 0 and "Permission denied" in denied.stderr
    # Both nodes see one file system, and the server's root is not squashed.
    assert bed.out("n2", "cat /scratch/of-alice-n1/file", user="alice") == "mine"
    bed.out("ctl", "rm -r /scratch/of-alice-n1 /scratch/of-alice-n2")


def test_home_is_shared_too(bed):
    bed.out("n1", "echo here >~/where", user="bob")
    assert bed.out("n2", "cat ~/where; rm ~/where", user="bob") == "here"


def test_a_job_lives_in_a_cgroup_of_its_own_below_slurmstepds_scope(bed):
    assert bed.out("n1", "stat -f -c %T /sys/fs/cgroup") == "cgroup2fs"
    job = bed.finished(bed.submit("cat /proc/self/cgroup", "-w n1"))
    path = bed.job_output(job["JobId"])
    assert path == f"0::/system.slice/n1_slurmstepd.scope/job_{job['JobId']}/step_batch/user/task_0"


def test_a_job_over_its_memory_limit_is_killed_and_its_neighbour_lives(bed):
    neighbour = bed.submit("sleep 5; echo alive", "-w n1 --mem=100")
    hungry = bed.submit("python3 -c 'b\"x\" * (400 << 20)'", "-w n1 --mem=100")
    assert bed.finished(hungry)["JobState"] == "OUT_OF_MEMORY"
    assert bed.finished(neighbour)["JobState"] == "COMPLETED"
    assert bed.job_output(neighbour) == "alive"


def test_a_killed_node_is_down_and_comes_back_to_work(bed):
    assert vmcluster("kill", "n2").returncode == 0
    assert "n2 down" in vmcluster("status").stdout.splitlines()
    dead = bed.run("n2", "true")
    assert dead.returncode == 1 and "scripts/vmcluster start n2" in dead.stderr
    wait_for("Slurm to notice that n2 is gone", lambda: bed.node_state("n2").startswith("down"), 120)

    started = vmcluster("start", "n2")
    assert started.returncode == 0, started.stderr
    wait_for("n2 to be idle again", lambda: bed.node_state("n2") == "idle", 60)
    assert "n2 up" in vmcluster("status").stdout.splitlines()
    job = bed.finished(bed.submit("hostname", "-w n2"))
    assert bed.job_output(job["JobId"]) == "n2"


def test_a_nodes_disk_survives_its_death(bed):
    # The journal of the boot that ended with the kill above.
    assert len(bed.out("n2", "journalctl --list-boots -q --no-pager").splitlines()) >= 2
