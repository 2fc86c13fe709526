"""The test bed is a real cluster, configured as a site would: what other tests build on is shown here."""

import subprocess

import pytest

from bed import CLUSTER, eventually

# A process that no session, process group or parent ties to the job that started it.
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for fd in range(3): os.close(fd)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {os.getppid()} {os.getsid(0)}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def node_state(bed, node):
    return bed.sh("ctl", f"sinfo -hN -p main -n {node} -o %T")


def state_directory(bed):
    """Where the bed keeps what it is made of; the names of its logs tell."""
    line = bed.verb("logs", "ctl", "--files").stdout.splitlines()[0]
    return line.split(" ", 1)[1].split("/nodes/")[0]


def test_one_step_spans_all_nodes(bed):
    assert sorted(bed.sh("ctl", "srun -N3 hostname", user="alice").split()) == ["n1", "n2", "n3"]


@pytest.mark.parametrize("node", ["n1", "n2", "n3"])
def test_a_job_of_an_ordinary_user_runs_on_each_node(bed, node):
    job = bed.submit("#!/bin/sh\nhostname; id -un\n", "-w", node)
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.output() == [node, "alice"]


def test_slurm_is_configured_as_sites_have_it(whole_bed):
    lines = whole_bed.sh("ctl", "scontrol show config").splitlines()
    settings = dict([word.strip() for word in line.split("=", 1)] for line in lines if "=" in line)
    expected = {
        "ProctrackType": "proctrack/cgroup",
        "TaskPlugin": "task/cgroup,task/affinity",
        "PrologFlags": "Alloc,Contain",
        "JobAcctGatherType": "jobacct_gather/cgroup",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "PreemptMode": "REQUEUE",
        "PreemptType": "preempt/partition_prio",
        # What Stasis has to overcome is left as Slurm has it.
        "JobFileAppend": "0",
        "JobRequeue": "1",
    }
    assert {key: settings[key] for key in expected} == expected
    assert "requeue_delay" not in settings["SchedulerParameters"]


@pytest.mark.parametrize(
    "partition, settings",
    [
        ("main", ["Default=YES", "PreemptMode=OFF", "PriorityTier=10", "Nodes=n[1-3]"]),
        ("preempt", ["Default=NO", "PreemptMode=REQUEUE", "PriorityTier=1", "GraceTime=0"]),
        ("preempt-grace", ["Default=NO", "PreemptMode=REQUEUE", "PriorityTier=1", "GraceTime=60"]),
    ],
)
def test_the_partitions_are_those_of_a_site_that_preempts(whole_bed, partition, settings):
    shown = whole_bed.sh("ctl", f"scontrol show partition {partition} -o").split()
    assert [setting for setting in settings if setting not in shown] == []


def test_slurm_holds_a_requeued_job_back_for_two_minutes(bed):
    job = bed.submit("#!/bin/sh\nsleep 600\n", "--checkpoint-every=off")
    job.wait_running()
    bed.sh("ctl", f"scontrol requeue {job.id}", user="alice")
    eventually(lambda: job.state() == "PENDING" and job.field("Reason") == "BeginTime", 60, "Slurm holds the job back")
    delay = bed.sh("ctl", f"echo $(($(date -d $(squeue -h -j {job.id} -o %S) +%s) - $(date +%s)))")
    assert 60 < int(delay) <= 121


def test_a_job_over_its_memory_limit_is_killed_and_its_neighbour_lives(bed):
    neighbour = bed.submit("#!/bin/sh\nuntil [ -e ~/eaten ]; do sleep 0.1; done; echo alive\n", "-w", "n1", "--mem=100")
    neighbour.wait_running()
    hungry = bed.submit("#!/bin/sh\npython3 -c 'b\"x\" * (400 << 20)'\necho exit $?\n", "-w", "n1", "--mem=100")
    assert hungry.wait_end()[0] == "OUT_OF_MEMORY"
    # Its shell saw its child killed, not the allocation refused.
    assert hungry.output()[-1] == "exit 137"
    bed.sh("n1", "touch ~/eaten", user="alice")
    assert neighbour.wait_end() == ("COMPLETED", "0:0")
    assert neighbour.output() == ["alive"]
    bed.sh("n1", "rm ~/eaten", user="alice")


def test_what_a_job_daemonised_ends_with_it(bed):
    bed.sh("ctl", "rm -f /scratch/daemon*")
    script = f"#!/usr/bin/env python3\nimport sys; sys.argv.append('/scratch/daemon')\n{DAEMON}"
    bed.run("ctl", "sh", "-c", "cat >~/daemon.py", user="alice", input=script)
    job = bed.submit("#!/bin/sh\npython3 ~/daemon.py\nuntil [ -e /scratch/end ]; do sleep 0.1; done\n",
                     "-w", "n2", "--checkpoint-every=off")
    eventually(lambda: bed.run("n2", "test", "-e", "/scratch/daemon").returncode == 0, 60, "the daemon is there")
    pid, _, session = bed.sh("n2", "cat /scratch/daemon").split()
    assert session != pid and bed.sh("n2", f"ps -o ppid= -p {pid}") == "1", "nothing ties it to its job"
    groups = bed.sh("n2", f"cat /proc/{pid}/cgroup").splitlines()
    for controller in ("freezer", "memory", "cpuset"):
        mine = [line for line in groups if f":{controller}:" in line or line.startswith("0::/system.slice")]
        assert mine and f"/job_{job.id}/step_batch" in mine[0]
    bed.sh("n2", "touch /scratch/end", user="alice")
    assert job.wait_end() == ("COMPLETED", "0:0")
    eventually(lambda: bed.run("n2", "kill", "-0", pid).returncode != 0, 30, "the daemon is gone")
    bed.sh("ctl", "rm -f /scratch/daemon /scratch/end")


def test_the_task_prolog_sets_a_variable(bed):
    job = bed.submit("#!/bin/sh\necho $BED_TASK_PROLOG; srun sh -c 'echo $BED_TASK_PROLOG'\n", "-w", "n3")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.output() == ["ran-on-n3", "ran-on-n3"]


def test_accounting_keeps_what_a_job_was(bed):
    job = bed.submit("#!/bin/sh\nexit 3\n", "-w", "n2", user="bob")
    assert job.wait_end() == ("FAILED", "3:0")
    ask = f"sacct -nPX -j {job.id} -o user,state,exitcode,nodelist"
    # slurmdbd gets it in its own time.
    eventually(lambda: bed.sh("ctl", ask) == "bob|FAILED|3:0|n2", 60, "the job is in the accounts")
    assert bed.sh("ctl", f"sacct -nP -j {job.id} -o jobid").split() == [str(job.id), f"{job.id}.batch", f"{job.id}.extern"]


def test_users_are_the_same_on_every_node_and_apart_from_each_other(whole_bed):
    for node in ["ctl", *whole_bed.nodes]:
        assert whole_bed.sh(node, "id", user="alice") == "uid=1001(alice) gid=1001(alice) groups=1001(alice),2001(research)"
        assert whole_bed.sh(node, "id", user="bob") == "uid=1002(bob) gid=1002(bob) groups=1002(bob)"
    assert whole_bed.run("n1", "touch", "/home/bob/by-alice", user="alice").returncode != 0


def test_scratch_and_home_are_shared_and_local_disks_are_each_nodes_own(bed):
    bed.sh("n1", "echo here | tee /scratch/where ~/where /local/where /tmp/where >/dev/null", user="alice")
    assert bed.sh("n3", "cat /scratch/where ~/where", user="alice") == "here\nhere"
    assert bed.run("n3", "ls", "/local/where", "/tmp/where").stdout == ""
    assert len({bed.sh(node, "findmnt -no SOURCE /local") for node in ["ctl", *bed.nodes]}) == 4
    assert bed.run("n1", "touch", "/usr/where").returncode != 0, "nobody writes on the image"
    bed.sh("n1", "rm /scratch/where ~/where /local/where /tmp/where", user="alice")


def test_exec_passes_status_and_binary_stdio_through(whole_bed):
    assert whole_bed.run("n1", "sh", "-c", "exit 7").returncode == 7
    assert whole_bed.run("n1", "sh", "-c", "kill -KILL $$").returncode == 128 + 9
    assert whole_bed.run("n1", "/no/such/program").returncode == 127
    data = bytes(range(256)) * 4000
    command = [CLUSTER, "exec", "n2", "-u", "bob", "--", "sh", "-c", "cat; echo error >&2; exit 3"]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, data, b"error\n")


def test_exec_keeps_arguments_apart(whole_bed):
    words = ["a b", "$HOME", "", "it's", '"', "*", "-u", "--"]
    done = whole_bed.run("n1", "printf", "[%s]", *words, user="alice")
    assert done.stdout == "".join(f"[{word}]" for word in words)


def test_exec_gives_a_clean_start(whole_bed):
    """Nothing of the caller's goes along: no environment, no directory, no descriptor, which CRIU would stumble over."""
    reader = subprocess.Popen(
        [CLUSTER, "exec", "n1", "-u", "alice", "--", "sh", "-c", "pwd; ls /proc/self/fd | wc -l; env | sort; cat /proc/self/oom_score_adj"],
        env={"PATH": "/usr/bin:/bin", "SECRET": "x", "LD_PRELOAD_LIKE": "y"}, pass_fds=[2], cwd="/usr", stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL, text=True,
    )
    said, _ = reader.communicate(timeout=60)
    lines = said.splitlines()
    # Standard input, output and error, and the directory that ls reads.
    assert lines[:2] == ["/home/alice", "4"]
    assert "USER=alice" in lines and "HOME=/home/alice" in lines
    assert [line for line in lines if line.startswith(("SECRET", "LD_"))] == []


def test_logs_show_what_daemons_wrote(whole_bed):
    whole = whole_bed.verb("logs").stdout
    for node, log in [("ctl", "log/slurmctld.log"), ("ctl", "log/slurmdbd.log"), ("n1", "log/slurmd.log"), ("n3", "log/stasisd/current")]:
        assert f"==> {node}: {log}\n" in whole
    one = whole_bed.verb("logs", "n2", "-n", "1").stdout.splitlines()
    assert all("n2: " in line for line in one if line.startswith("==> "))
    assert one.index("==> n2: log/slurmd.log") == len(one) - 2
    for line in whole_bed.verb("logs", "n1", "--files").stdout.splitlines():
        assert line.startswith("n1 /")


def test_install_puts_this_tree_on_every_node_and_jobs_go_on(bed):
    job = bed.submit("#!/bin/sh\nuntil [ -e ~/installed ]; do sleep 0.1; done; echo went on\n", "--checkpoint-every=1h")
    job.wait_running()
    daemons = {node: bed.sh(node, "pgrep -x stasisd") for node in bed.nodes}
    # Lost on the nodes, and put back.
    root = state_directory(bed) + "/root"
    subprocess.run(["rm", f"{root}/usr/bin/stasis"], check=True)
    assert bed.run("n1", "stasis", "--version").returncode == 127
    bed.verb("install")
    for node in bed.nodes:
        assert bed.sh(node, "stasis --version").startswith("stasis ")
        eventually(lambda: bed.run(node, "pgrep", "-x", "stasisd").stdout.strip() not in ("", daemons[node]), 30,
                   f"stasisd of {node} was restarted")
    bed.sh("ctl", "touch ~/installed", user="alice")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.output() == ["went on"]
    bed.sh("ctl", "rm ~/installed", user="alice")


def test_a_killed_node_is_dead_at_once_and_comes_back_as_after_a_power_cut(bed):
    node_record = f"{state_directory(bed)}/nodes/n2/node"
    with open(node_record) as record:
        pid = record.read().split()[0]
    namespace = subprocess.run(["readlink", f"/proc/{pid}/ns/pid"], capture_output=True, text=True, check=True).stdout

    bed.sh("n2", "echo kept >/local/kept; sync -f /local; echo boot >/run/boot; echo boot >/tmp/boot", user="root")
    bed.sh("n2", "echo lost >/local/lost; setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0", user="root")
    bed.verb("kill", "n2")

    alive = subprocess.run("readlink /proc/[0-9]*/ns/pid", shell=True, capture_output=True, text=True, check=False).stdout
    assert namespace not in alive.splitlines(keepends=True)
    assert "n2 down" in bed.verb("status").stdout.splitlines()
    refused = bed.run("n2", "true")
    assert refused.returncode == 1 and "scripts/cluster start n2" in refused.stderr
    assert refused.stderr.count("\n") == 1
    eventually(lambda: node_state(bed, "n2").startswith("down"), 150, "Slurm notices that n2 is gone")

    bed.verb("start", "n2")
    assert "n2 up" in bed.verb("status").stdout.splitlines()
    eventually(lambda: node_state(bed, "n2") == "idle", 60, "n2 is idle again")
    assert bed.sh("n2", "cat /local/kept") == "kept"
    assert bed.sh("n2", "cat /local/lost 2>/dev/null || true") == ""
    assert bed.run("n2", "ls", "/run/boot", "/tmp/boot").stdout == ""
    assert bed.sh("ctl", "srun -w n2 hostname", user="alice") == "n2"
    bed.sh("n2", "rm -f /local/kept /local/lost")


def test_the_controller_can_lose_its_power_too(bed):
    bed.verb("kill", "ctl")
    assert "ctl down" in bed.verb("status").stdout.splitlines()
    assert bed.run("n1", "true").returncode == 0
    bed.verb("start", "ctl")
    assert bed.sh("ctl", "srun -N3 true && echo works", user="alice") == "works"


def test_killing_and_starting_twice_does_no_harm(bed):
    assert "n3 is up already" in bed.verb("start", "n3").stderr
    bed.verb("kill", "n3")
    assert "n3 is down already" in bed.verb("kill", "n3").stderr
    bed.verb("start", "n3")
    assert bed.sh("ctl", "srun -w n3 hostname", user="alice") == "n3"
