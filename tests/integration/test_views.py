"""The verbs that show something: for people and for programs, to root and to the users whose jobs they are."""

import json
import os
import shutil
import time

import pytest

from checkpoints import publish
from programs import STASIS, eventually, message, read_message, run
from test_daemon import task

NOBODY = 65534


def queued(job, state="RUNNING", uid=1001, user="alice", node="n1", start=0, comment="(null)", name=None):
    """A line of squeue's, in the columns that were asked for."""
    return (
        f"{job:<16}{name or job:<40}{uid:<12}{user:<64}{state:<24}{'None':<64}{node:<64}{start or 'N/A':<24}{comment:<1024}\n"
    )


def shown(job=812, state="PENDING", uid=1001, user="alice", priority=0, restarts=1, more=""):
    """What `scontrol -o show job` prints of it, as far as it matters."""
    return (
        f"JobId={job} JobName=a UserId={user}({uid}) GroupId=g(1) Priority={priority} JobState={state} Reason=JobHeldUser "
        f"Requeue=1 Restarts={restarts} Partition=main NodeList=n1 StartTime=1795246000 {more}\n"
    )


def checkpointed(number=3, when="2026-11-21T06:31:02"):
    return f"stasis: checkpoint {number} of {when}, 1.5 GiB, runs on n1"


@pytest.fixture
def slurm(site):
    site.fakes.answer("squeue", out="")
    site.fakes.answer("sacct", out="")
    site.fakes.answer("scontrol", "--local", "-o", "show", "job", err="slurm_load_jobs error: Invalid job id specified\n", status=1)
    return site.fakes


@pytest.fixture
def capsule(daemon):
    """Job 812 of user 1001 runs here, protected."""
    with daemon.connect() as connection:
        connection.send(task("capsule", every="1h", state="running", root=1000, first_start=1795239061, shim=os.getpid()))
        daemon.wait_log("job=812.batch capsule is back")
        # As soon as slurmctld has told the cluster's name.
        assert read_message(connection.recv(65536))[0] == "attached"
        yield connection


def document(done):
    parsed = json.loads(done.stdout)
    assert parsed["format"] == 1 and isinstance(parsed["notes"], list)
    return parsed


def jobs(done):
    return {job["job"]: job for job in document(done)["jobs"]}


# --- list


def test_list_puts_together_what_slurm_the_node_and_the_store_know(site, slurm, capsule):
    now = int(time.time())
    slurm.answer(
        "squeue",
        out=queued(812, start=now - 100)
        + queued(813, "PENDING", comment=checkpointed(7))
        + queued(814, start=now - 50, comment="something of the site's")
        + queued(46, name="46_4", start=now - 50, comment=checkpointed(2)),
    )
    publish(site, 813, 6)
    publish(site, 813, 7)
    done = site.stasis("list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = jobs(done)
    assert sorted(found) == [46, 812, 813]
    assert found[812]["checkpoint"] is None and now + 3000 < found[812]["next_due"] <= now + 3700
    assert 95 < found[812]["at_risk"] < 200
    assert (found[813]["checkpoint"], found[813]["generations"], found[813]["at_risk"]) == (7, 2, None)
    assert found[813]["bytes"] == 1610612736 and found[813]["made_at"] > 1795000000
    assert found[46]["name"] == "46_4" and found[46]["next_due"] is None
    done = site.stasis("list")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["JOB", "USER", "STATE", "NODE", "CHECKPOINT", "AGE", "SIZE", "KEPT", "NEXT", "AT", "RISK"]
    assert [line.split()[0] for line in lines[1:]] == ["46_4", "812", "813"]
    assert "1.5 GiB" in done.stdout and "\x1b" not in done.stdout
    assert done.stderr.splitlines() == [
        "stasis: jobs on other nodes: when their next checkpoint is due only the node can tell",
        # Without a checkpoint nobody else knows of it: 814.
        "stasis: 1 running job is not listed: no checkpoint yet, and whether there will be any only the job's node can tell",
    ]


def test_list_works_where_no_daemon_is_and_says_what_only_a_node_knows(site, slurm):
    slurm.answer("squeue", out=queued(813, "PENDING", comment=checkpointed(7)))
    done = site.stasis("list", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert document(done)["notes"][0].startswith("no answer from a stasisd on this machine")
    done = site.stasis("list")
    assert "  7  " in done.stdout and "only the job's node can tell" in done.stderr


def test_users_see_their_own_jobs_only(root, site, slurm):
    done = site.stasis("list", "--json", user="nobody")
    assert done.returncode == 0
    assert f"--user={NOBODY}" in slurm.words()[0]
    for words in (["--all"], ["--user", "root"], ["--user", "0"]):
        done = site.stasis("list", *words, user="nobody")
        assert (done.returncode, done.stdout) == (1, "") and "only root" in done.stderr
    site.stasis("list", "--user", "nobody")
    assert f"--user={NOBODY}" in slurm.words()[-2] or f"--user={NOBODY}" in slurm.words()[-1]


def test_list_without_slurm_is_an_error(site, slurm):
    slurm.answer("squeue", err="error: Unable to contact slurm controller\n", status=1)
    done = site.stasis("list")
    assert (done.returncode, done.stdout) == (1, "") and "Unable to contact" in done.stderr


# --- show


def test_show_tells_the_life_of_a_job(site, slurm, capsule):
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(state="RUNNING", priority=10))
    slurm.answer(
        "sacct", out="812|REQUEUED|n1|1795246000|1795246500\n812|RUNNING|n2|1795246600|Unknown\n9|COMPLETED|n1|1|2\n"
    )
    publish(site, 812, 3)
    done = site.stasis("show", "812", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    life = document(done)
    assert [(run["node"], run["state"], run["end"]) for run in life["runs"]] == [("n1", "REQUEUED", 1795246500), ("n2", "RUNNING", None)]
    assert life["slurm"]["requeues"] == 1 and life["slurm"]["user"] == "alice"
    assert [(c["number"], c["node"], c["reason"], c["damage"]) for c in life["checkpoints"]] == [(3, "n1", "interval", None)]
    assert life["here"][0]["interval"] == 3600 and life["here"][0]["phase"] == "running"
    # Since its last checkpoint, not since this daemon was started.
    assert life["here"][0]["at_risk"] >= int(time.time()) - 1795246400 - 60
    done = site.stasis("show", "812")
    assert "job 812 of alice: RUNNING on n1, requeued once" in done.stdout
    timeline = [line for line in done.stdout.splitlines() if line.startswith("n")]
    assert "requeued" in timeline[0] and "running" in timeline[1] and any(mark in timeline[0] for mark in "o\u25cf")


def test_show_of_a_job_that_nobody_knows_or_of_another_user_is_an_error(root, site, slurm):
    done = site.stasis("show", "812")
    assert (done.returncode, done.stdout) == (1, "") and "Slurm knows no job 812" in done.stderr
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown())
    done = site.stasis("show", "812", user="nobody")
    assert (done.returncode, done.stdout) == (1, "") and "not yours" in done.stderr


# --- verify


def test_verify_reads_every_byte(site, slurm):
    directory = publish(site, 812, 1)
    publish(site, 812, 2)
    done = site.stasis("verify", "812")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count(": whole, ") == 2
    (directory / "pack").write_bytes(b"cOre" + (directory / "pack").read_bytes()[4:])
    done = site.stasis("verify", "812", "--json")
    assert done.returncode == 1 and document(done)["whole"] is False
    assert [bool(c["damage"]) for c in document(done)["checkpoints"]] == [True, False]
    assert done.stderr == "stasis: verify: 1 of 2 checkpoints cannot be used\n"
    assert site.stasis("verify", "812:2").returncode == 0
    assert "no checkpoint 9" in site.stasis("verify", "812:9").stderr
    assert site.stasis("verify", "812:x").returncode == 2


def test_users_have_the_daemon_verify_their_own(site, slurm, daemon):
    eventually(lambda: site.fakes.calls(), 60, "the cluster's name is asked for")
    publish(site, 812, 1, uid=NOBODY)
    publish(site, 813, 1, uid=1001)
    eventually(lambda: site.stasis("verify", "812", user="nobody").returncode == 0, 60, "the cluster's name is known")
    done = site.stasis("verify", "813", user="nobody")
    assert (done.returncode, done.stdout) == (1, "") and "no checkpoint of a job 813 of yours" in done.stderr
    daemon.end()
    done = site.stasis("verify", "812", user="nobody")
    assert done.returncode == 1 and "only root, or the stasisd of a node" in done.stderr


# --- inspect


def test_inspect_shows_every_field(site, slurm):
    directory = publish(site, 812, 4, reason="preempted")
    for what in (directory / "manifest", directory, "812", "812:4"):
        done = site.stasis("inspect", what, "--json")
        assert (done.returncode, done.stderr) == (0, ""), what
        shown_fields = document(done)
        assert shown_fields["authentic"] is True and shown_fields["key"] == "test"
        assert shown_fields["manifest"] == json.loads((directory / "manifest").read_text().split("\n", 1)[1])
    assert shown_fields["ledger"]["taken_at"] == 1795246400000000000
    text = site.stasis("inspect", "812:4").stdout
    assert "reason: preempted" in text and "taken_at: 1795246400000000000" in text


def test_inspect_says_what_is_wrong(site, slurm):
    manifest = publish(site, 812, 4) / "manifest"
    good = manifest.read_text()
    manifest.write_text(good.replace('"node": "n1"', '"node": "n2"'))
    done = site.stasis("inspect", manifest)
    assert done.returncode == 1 and "authentic: false" in done.stdout and "not authentic" in done.stderr
    manifest.write_text(good[:-5])
    assert site.stasis("inspect", manifest).returncode == 1
    manifest.write_text("anything")
    assert "is no file of Stasis'" in site.stasis("inspect", manifest).stderr
    manifest.write_text(good)
    site.key.unlink()
    done = site.stasis("inspect", manifest)
    assert done.returncode == 0 and "authentic: null" in done.stdout and "whether it is authentic is not known" in done.stderr


# --- log, stats


def test_log_shows_users_the_lines_of_their_jobs(site, slurm, capsule):
    done = site.stasis("log", "812", "--json")
    assert done.returncode == 0
    assert "job=812.batch capsule is back" in [line["text"] for line in document(done)["lines"]]
    assert "capsule is back" in site.stasis("log", "812").stdout
    done = site.stasis("log", "812", user="nobody")
    assert (done.returncode, done.stdout) == (0, "") and "has said nothing" in done.stderr


def test_a_user_has_the_log_of_his_own_job(site, slurm, daemon):
    with daemon.connect() as connection:
        connection.send(task("capsule", every="1h", state="running", root=1000, first_start=1, shim=os.getpid(), uid=NOBODY))
        daemon.wait_log("capsule is back")
        assert "capsule is back" in site.stasis("log", "812", user="nobody").stdout


def test_stats_and_the_metrics_file_tell_the_same(site, slurm, start_daemon):
    metrics = site.directory / "stasis.prom"
    site.configure(f"metrics_file: {metrics}\n")
    daemon = start_daemon()
    daemon.wait_log("ready: ")
    written = eventually(lambda: metrics.exists() and metrics.read_text(), 60, "the metrics are written")
    names = {line.split("{")[0].split()[0] for line in written.splitlines() if not line.startswith("#")}
    counted = document(site.stasis("stats", "--json"))["metrics"]
    assert names == {metric["name"] for metric in counted} and "stasis_protected_tasks" in names
    assert "stasis_protected_tasks" in site.stasis("stats", user="nobody").stdout
    assert oct(metrics.stat().st_mode & 0o777) == "0o644"


def test_a_metrics_file_that_cannot_be_written_is_told_once_and_harms_nothing(site, slurm, start_daemon):
    site.configure("metrics_file: /proc/none/stasis.prom\n")
    daemon = start_daemon()
    daemon.wait_log("no metrics: ")
    daemon.wait_log("ready: ")


def test_nobody_who_does_not_read_holds_the_daemon_up(site, slurm, daemon):
    silent = [daemon.connect() for _ in range(20)]
    for connection in silent:
        connection.send(message("stats"))
    assert site.stasis("stats").returncode == 0
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("words", [["log", "812"], ["stats"]], ids=" ".join)
def test_without_a_daemon_what_only_it_knows_is_an_error(site, words):
    done = site.stasis(*words)
    assert (done.returncode, done.stdout) == (1, "") and "connect to stasisd" in done.stderr


# --- restart


def restart_words(slurm):
    return [words[1:] for words in slurm.words() if words[0] == "scontrol" and words[1] in ("release", "uhold", "requeuehold", "requeue", "update")]


def names(directory):
    return sorted(path.name for path in directory.parent.iterdir())


@pytest.fixture
def held(site, slurm):
    """Job 812 waits, held, with three checkpoints."""
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown())
    for verb in ("release", "update", "uhold", "requeuehold"):
        slurm.answer("scontrol", verb)
    return [publish(site, 812, number) for number in (1, 2, 3)][0]


def test_restart_sets_later_checkpoints_aside_and_lets_the_job_go(site, slurm, held):
    done = site.stasis("restart", "812:1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "job 812: to go on from checkpoint 1\n", "")
    assert names(held) == ["aside-000002", "aside-000003", "gen-000001"]
    assert restart_words(slurm) == [["release", "812"], ["update", "JobId=812", "StartTime=now"]]
    done = site.stasis("restart", "812:3", "--json")
    assert document(done)["checkpoint"] == 3
    assert names(held) == ["aside-000002", "gen-000001", "gen-000003"]
    assert site.stasis("verify", "812").stdout.count("whole") == 3


def test_restart_makes_a_job_wait_first(site, slurm, held):
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(priority=4000))
    assert site.stasis("restart", "812").returncode == 0
    assert restart_words(slurm)[0] == ["uhold", "812"]
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(state="TIMEOUT"))
    assert site.stasis("restart", "812").returncode == 0
    assert ["requeuehold", "812"] in restart_words(slurm)
    assert names(held) == ["gen-000001", "gen-000002", "gen-000003"]


def test_restart_touches_no_job_that_runs_or_has_nothing_to_go_on_from(site, slurm, held):
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(state="RUNNING", priority=4000))
    done = site.stasis("restart", "812:1")
    assert done.returncode == 1 and "is RUNNING" in done.stderr
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown())
    assert "no checkpoint 9" in site.stasis("restart", "812:9").stderr
    shutil.rmtree(held.parent.parent)
    assert "no checkpoint of job 812" in site.stasis("restart", "812").stderr
    assert restart_words(slurm) == []


def test_a_damaged_checkpoint_is_not_gone_back_to(site, slurm, held):
    (held / "pack").write_bytes(b"")
    done = site.stasis("restart", "812:1")
    assert done.returncode == 1 and "checkpoint 1" in done.stderr
    assert names(held) == ["gen-000001", "gen-000002", "gen-000003"] and restart_words(slurm) == []


def test_users_restart_their_own_jobs_through_the_daemon(site, slurm, daemon):
    for verb in ("release", "update"):
        slurm.answer("scontrol", verb)
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(uid=NOBODY, user="nobody"))
    slurm.answer("scontrol", "--local", "-o", "show", "job", "813", out=shown(job=813))
    directory = [publish(site, 812, number, uid=NOBODY) for number in (1, 2)][0]
    eventually(lambda: site.stasis("verify", "812", user="nobody").returncode == 0, 60, "the cluster's name is known")
    done = site.stasis("restart", "812:1", user="nobody")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(directory) == ["aside-000002", "gen-000001"]
    done = site.stasis("restart", "813", user="nobody")
    assert done.returncode == 1 and "not yours" in done.stderr


def test_the_daemon_moves_no_checkpoints_of_a_job_that_may_start(site, slurm, daemon):
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(priority=4000))
    directory = publish(site, 812, 1, uid=0)
    publish(site, 812, 2, uid=0)

    def asked():
        with daemon.connect() as connection:
            connection.send(message("restart", job=812, number=1))
            return connection.recv(65536)

    eventually(lambda: b"not held" in asked(), 60, "it is refused")
    assert names(directory) == ["gen-000001", "gen-000002"]


# --- restart --new

SCRIPT = "#!/bin/bash\necho 100%; echo '$HOME'\n"


@pytest.fixture
def over(site, slurm):
    """Job 812 of root ended at its time limit, with a checkpoint."""
    more = "TimeLimit=00:10:00 NumNodes=1 NumTasks=1 WorkDir=/home/a b StdErr=/home/a/812.out StdOut=/home/a/812.out"
    slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(state="TIMEOUT", uid=0, user="root", more=more))
    slurm.answer("scontrol", "write", "batch_script", "812", "-", out=SCRIPT)
    slurm.answer("sbatch", out="900;testing\n", err="sbatch: stasis: note\n")
    return publish(site, 812, 3, uid=0)


def submitted(slurm):
    return [call for call in slurm.calls() if call["name"] == "sbatch"]


def test_restart_new_submits_the_old_script_with_what_it_had_asked_for(site, slurm, over):
    done = site.stasis("restart", "812:3", "--new", "--", "--time=2-0", "-w", "n 7", env={"PATH": "/usr/bin", "RESULT_FOLDER": "/r"})
    assert (done.returncode, done.stdout) == (0, "job 900: to go on from checkpoint 3 of job 812\n")
    assert done.stderr == "sbatch: stasis: note\n"
    (call,) = submitted(slurm)
    kept = ["--job-name=a", "--partition=main", "--time=00:10:00", "--nodes=1", "--ntasks=1", "--chdir=/home/a b", "--output=/home/a/812.out"]
    assert call["arguments"][:-1] == ["--parsable", *kept, "--time=2-0", "-w", "n 7", "--checkpoint-from=812:3"]
    assert call["script"] == SCRIPT and call["environment"]["RESULT_FOLDER"] == "/r"
    assert not os.path.exists(call["arguments"][-1]), "the copy of the script is gone"
    assert names(over) == ["gen-000003"]
    told = document(site.stasis("restart", "812", "--new", "--json"))
    assert (told["job"], told["from"], told["checkpoint"]) == (900, 812, None)
    assert "--checkpoint-from=812" in submitted(slurm)[1]["arguments"]


def test_restart_new_submits_nothing_for_a_job_that_is_not_over_or_anothers(site, slurm, over):
    for fields, sentence in (
        ({"state": "RUNNING", "uid": 0, "user": "root"}, "is RUNNING, and both would write the same files"),
        ({"state": "PENDING", "uid": 0, "user": "root"}, "is PENDING, and both"),
        ({"state": "TIMEOUT", "uid": 1001}, "is not yours"),
    ):
        slurm.answer("scontrol", "--local", "-o", "show", "job", "812", out=shown(**fields))
        done = site.stasis("restart", "812", "--new")
        assert (done.returncode, done.stdout) == (1, "") and sentence in done.stderr
    assert "has no checkpoint 9" in site.stasis("restart", "812:9", "--new").stderr
    assert "no checkpoint of job 813" in site.stasis("restart", "813", "--new").stderr
    assert submitted(slurm) == []


def test_restart_new_says_what_to_type_when_slurm_has_forgotten_the_job(site, slurm):
    publish(site, 814, 1, uid=0)
    done = site.stasis("restart", "814:1", "--new")
    assert done.returncode == 1
    assert done.stderr.endswith("Submit it again, wherever it is: sbatch --checkpoint-from=814:1 SCRIPT\n")


def test_restart_new_hands_on_what_sbatch_objects_to(site, slurm, over):
    slurm.answer("sbatch", err="sbatch: error: invalid partition\n", status=1)
    done = site.stasis("restart", "812", "--new")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "stasis: restart: sbatch: error: invalid partition\n")


def test_options_for_sbatch_are_for_new_jobs(site, slurm, over):
    assert site.stasis("restart", "812", "--", "--time=1").returncode == 2


# --- how it looks


def test_colour_is_for_terminals_that_want_it(root, site, slurm):
    import pty

    def on_terminal(**environment):
        parent, child = pty.openpty()
        try:
            run(STASIS, "--config", site.config, "doctor", capture_output=False, stdout=child, stderr=child,
                env={"PATH": "/usr/bin", "TERM": "xterm", **environment})
            return os.read(parent, 65536).decode()
        finally:
            os.close(parent)
            os.close(child)

    assert "\x1b[" in on_terminal()
    assert "\x1b[" not in on_terminal(NO_COLOR="1")
    assert "\x1b[" not in on_terminal(TERM="dumb")
    assert "\x1b[" not in site.stasis("doctor", env={"TERM": "xterm"}).stdout


@pytest.mark.parametrize("verb", ["list", "show", "verify", "inspect", "log", "restart", "stats", "doctor"])
def test_help_of_a_verb_fits_a_screen(verb):
    done = run(STASIS, verb, "--help")
    assert done.returncode == 0 and f"stasis {verb}" in done.stdout and "--json" in done.stdout
    assert len(done.stdout.splitlines()) < 25


# --- check, checkpoint, evacuate


def test_check_and_checkpoint_of_a_job_that_is_not_here_say_so(site, slurm, daemon):
    for words in (["check", "7"], ["check", "7", "--json"]):
        done = site.stasis(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "no protected job 7 of yours runs on this node" in done.stderr
    done = site.stasis("checkpoint", "7", "--json")
    assert done.returncode == 1 and "no protected job 7 of yours" in done.stderr
    assert document(done)["made"] == [] and document(done)["skipped"][0]["name"] is None
    done = site.stasis("evacuate", "--json")
    assert (done.returncode, document(done)["made"], document(done)["skipped"]) == (0, [], [])


def test_check_without_a_daemon_says_that_only_the_node_can_tell(site, slurm):
    done = site.stasis("check", "7")
    assert (done.returncode, done.stdout) == (1, "") and "stasisd" in done.stderr
