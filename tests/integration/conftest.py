"""Fixtures: a node's configuration with fakes beside it, and a daemon that is ended whatever happens."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from programs import STASISD, Daemon, Site, eventually

CONFIGURATION = """\
Configuration data as of 2025-01-01T00:00:00
ClusterName             = testing
JobContainerType        = (null)
ProctrackType           = proctrack/cgroup
"""


def pytest_configure(config):
    if not STASISD.exists():
        pytest.exit("nothing is built: cmake --preset debug && cmake --build --preset debug", returncode=2)


@pytest.fixture
def site():
    # Not tmp_path: the path of a UNIX socket has to be short, and users other than root have to get at it.
    directory = Path(tempfile.mkdtemp(prefix="stasis-test-"))
    directory.chmod(0o755)
    site = Site(directory)
    site.fakes.answer("scontrol", "show", "config", out=CONFIGURATION)
    yield site

    def removed():
        # A worker outlives its daemon and may still write here.
        shutil.rmtree(directory, ignore_errors=True)
        return not directory.exists()

    eventually(removed, 20, "everything of the daemon has ended")


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("stasisd runs as root only")


@pytest.fixture
def start_daemon(root, site):
    """Starts a daemon of the site's, as often as it is called."""
    started = []

    def start():
        started.append(Daemon(site))
        return started[-1]

    yield start
    for daemon in started:
        daemon.process.kill()
        daemon.process.wait()


@pytest.fixture
def daemon(start_daemon):
    daemon = start_daemon()
    daemon.wait_log("ready: ")
    return daemon


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What failed shows what the daemon said."""
    outcome = yield
    report = outcome.get_result()
    site = getattr(item, "funcargs", {}).get("site")
    if report.when == "call" and report.failed and site is not None and (site.directory / "stasisd.log").exists():
        report.sections.append(("stasisd", (site.directory / "stasisd.log").read_text()))
