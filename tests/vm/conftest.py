"""Starts the bed of virtual machines once, and shows what its machines logged when a test fails.

STASIS_KEEP_BED=1 leaves the bed up for the next run; else it is taken down at the end."""

import os
import subprocess

import pytest

from bed import Bed, Moving, vmcluster

LOG_LINES = 40


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("the tests of virtual machines need root", returncode=2)


@pytest.fixture(scope="session")
def bed():
    result = vmcluster("up")
    assert result.returncode == 0, f"vmcluster up: {result.stderr}"
    yield Bed()
    if not os.environ.get("STASIS_KEEP_BED"):
        vmcluster("down")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed and "bed" in item.fixturenames:
        for node in ("ctl", *Bed.nodes):
            report.sections.append((f"logs of {node}", last_lines(vmcluster("logs", node).stdout)))


def last_lines(text):
    """The last lines of each log in `text`, where a line beginning with ==> opens a log."""
    logs = []
    for line in text.splitlines():
        if line.startswith("==>") or not logs:
            logs.append([])
        logs[-1].append(line)
    return "\n".join("\n".join([log[0], *log[1:][-LOG_LINES:]]) for log in logs)


@pytest.fixture
def environment_of_another_bed(tmp_path):
    """For a vmcluster that must not touch the bed the other tests run on."""
    return os.environ | {"STASIS_BED": "vmtest", "STASIS_BED_STATE": str(tmp_path / "state")}


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="session")
def undisturbed(bed):
    """How a script ends that nothing disturbs and nobody protects; each script is run once."""
    known = {}

    def run(script):
        if script not in known:
            known[script] = Moving(bed, script, "--checkpoint-every=off").end()
        return known[script]

    return run


@pytest.fixture
def on_n2(bed):
    """Submits a job that runs on n2 and has begun its output; it may go on on n1."""

    def run(script, options):
        bed.out("ctl", "scontrol update nodename=n1 state=drain reason=test")
        job = Moving(bed, script, options)
        assert job.running_on() == "n2"
        bed.out("ctl", "scontrol update nodename=n1 state=resume")
        job.wait_for_lines(5)
        return job

    yield run
    bed.run("ctl", "scontrol update nodename=n1 state=resume")
