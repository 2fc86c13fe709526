"""`stasis doctor`: each finding has a state and a fix, and something bad is status 1."""

import json
import time

import pytest

from programs import STASIS, run


def conf(site, **values):
    values = {
        "ClusterName": "testing", "JobRequeue": "1", "KillWait": "30 sec", "PluginDir": str(site.directory / "plugins"),
        "PlugStackConfig": str(site.directory / "plugstack.conf"), "ProctrackType": "proctrack/cgroup",
        "PreemptType": "preempt/partition_prio",
    } | values
    site.fakes.answer("scontrol", "-o", "show", "partition", out="PartitionName=main PreemptMode=REQUEUE GraceTime=60 State=UP\n")
    site.fakes.answer(
        "scontrol", "show", "config",
        out=f"Configuration data as of {int(time.time())}\n" + "".join(f"{key:<24}= {value}\n" for key, value in values.items()),
    )


@pytest.fixture
def well(root, site):
    """A node on which everything is right but that its daemon is not started yet."""
    (site.directory / "plugins").mkdir()
    (site.directory / "plugins" / "spank_stasis.so").touch()
    (site.directory / "plugstack.conf.d").mkdir()
    (site.directory / "plugstack.conf").write_text("include plugstack.conf.d/*.conf\n")
    (site.directory / "plugstack.conf.d" / "stasis.conf").write_text("# ours\noptional spank_stasis.so\n")
    (site.directory / "store").mkdir()
    site.fakes.answer("criu", "--version", out="Version: 4.3\n")
    site.fakes.answer("criu", "check", out="Looks good.\n")
    conf(site)
    return site


def findings(site):
    done = site.stasis("doctor", "--json")
    document = json.loads(done.stdout)
    assert document["format"] == 1
    found = {one["check"]: one for one in document["findings"]}
    assert document["healthy"] == (done.returncode == 0) == all(one["state"] != "bad" for one in found.values())
    for one in found.values():
        assert (one["fix"] is not None) or one["state"] == "ok", one
    return found


def states(site):
    return {check: one["state"] for check, one in findings(site).items()}


def test_a_node_that_is_set_up_right_has_no_bad_finding(well, start_daemon):
    start_daemon().wait_log("ready: ")
    assert states(well) == dict.fromkeys(
        ["daemon", "criu", "kernel", "memory", "slurmctld", "proctrack", "requeue", "requeue delay", "kill wait", "grace time", "clock", "plugstack",
         "key", "local", "store"], "ok",
    )
    assert not [path for path in (well.directory / "store").iterdir() if path.name.startswith(".doctor")]


@pytest.mark.parametrize(
    "spoils, check, state",
    [
        (lambda site: site.fakes.answer("criu", "--version", out="Version: 3.10\n"), "criu", "bad"),
        (lambda site: site.fakes.answer("criu", "check", err="Error: no time namespaces\n", status=1), "kernel", "bad"),
        (lambda site: conf(site, ProctrackType="proctrack/linuxproc"), "proctrack", "warn"),
        (lambda site: conf(site, ProctrackType="proctrack/pgid"), "proctrack", "bad"),
        (lambda site: conf(site, JobRequeue="0"), "requeue", "warn"),
        (lambda site: (site.directory / "plugstack.conf").unlink(), "plugstack", "bad"),
        (lambda site: (site.directory / "plugstack.conf.d" / "stasis.conf").unlink(), "plugstack", "bad"),
        (lambda site: (site.directory / "plugins" / "spank_stasis.so").unlink(), "plugstack", "bad"),
        (lambda site: site.key.chmod(0o644), "key", "bad"),
        (lambda site: (site.directory / "store").rmdir(), "store", "warn"),
        (lambda site: site.config.write_text(site.config.read_text().replace("/store\n", "/none/store\n")), "store", "bad"),
        (lambda site: site.configure("defaults:\n  requeue_begin_now: false\n"), "requeue delay", "warn"),
        (lambda site: site.fakes.answer("scontrol", "show", "config", out="Configuration data as of 1795246151\nClusterName = testing\n"), "clock", "bad"),
        (lambda site: site.fakes.answer("scontrol", "show", "config", err="error: away\n", status=1), "slurmctld", "bad"),
        (lambda site: site.fakes.answer("scontrol", "-o", "show", "partition", err="error: away\n", status=1), "grace time", "warn"),
        (lambda site: None, "daemon", "warn"),
    ],
    ids=["old criu", "kernel", "linuxproc", "pgid", "no requeue", "no plugstack", "not in plugstack", "no plugin", "open key",
         "no store", "no place for a store", "delay", "clock", "slurmctld", "no partitions", "no daemon"],
)
def test_what_is_wrong_is_found(well, spoils, check, state):
    spoils(well)
    assert states(well)[check] == state


def test_what_a_preemption_leaves_is_told(well):
    assert findings(well)["grace time"]["text"] == "a preemption leaves a last checkpoint: main 90 s"


def test_the_fingerprint_of_a_key_is_the_keys(well):
    first = findings(well)["key"]["text"]
    assert findings(well)["key"]["text"] == first and "fingerprint" in first
    secret = well.key.read_text().split()[1]
    assert secret not in first
    well.key.write_text(run(STASIS, "--config", well.config, "keygen", "--id", "test").stdout)
    assert findings(well)["key"]["text"] != first


def test_it_says_it_in_text_with_the_fix(well):
    well.key.unlink()
    done = well.stasis("doctor")
    assert done.returncode == 1
    assert "bad   key: " in done.stdout and "fix: " in done.stdout
    assert "checks found something bad" in done.stderr


def test_a_user_is_told_what_needs_root(well):
    done = well.stasis("doctor", "--json", user="nobody")
    found = {one["check"]: one for one in json.loads(done.stdout)["findings"]}
    assert (found["key"]["state"], found["kernel"]["state"], found["store"]["state"]) == ("warn", "warn", "warn")
