"""The daemon's unit and its line in tmpfiles.d, as far as systemd's programs tell without a systemd that runs."""

import re
import shutil

import pytest

from programs import TOP, run

UNIT = TOP / "etc" / "systemd" / "stasisd.service"
# Options that come with a seccomp filter, in part or in whole: systemd.exec(5).
FILTERS = {
    "LockPersonality", "MemoryDenyWriteExecute", "PrivateDevices", "ProtectClock", "ProtectHostname", "ProtectKernelLogs",
    "ProtectKernelModules", "ProtectKernelTunables", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
    "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallFilter", "SystemCallLog",
}  # fmt: skip


def test_the_unit_brings_no_seccomp_filter_and_leaves_dumps_alone():
    """A process with a filter may not lift that of another one (PTRACE_O_SUSPEND_SECCOMP), which criu has to."""
    options = dict(re.findall(r"(?m)^([A-Za-z]+)=(.*)$", UNIT.read_text()))
    assert FILTERS.isdisjoint(options)
    assert options["KillMode"] == "process"
    assert options["RuntimeDirectoryPreserve"] == "yes"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd's programs")
def test_the_exposure_is_what_the_documentation_says():
    said = re.search(r"exposure level for stasisd.service: ([\d.]+)", run("systemd-analyze", "security", "--offline=yes", UNIT).stdout)
    documented = re.search(r"exposure of ([\d.]+)", (TOP / "docs" / "security.md").read_text())
    # Releases of systemd differ by a few tenths in what they count.
    assert abs(float(said[1]) - float(documented[1])) <= 0.3


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="needs systemd's programs")
def test_cleaning_tmp_leaves_the_private_tmp_of_jobs_alone(tmp_path):
    """An empty one was removed, and no file could be made in that job's /tmp any more."""
    for directory in ("tmp/.stasis-a1B2c3/tmp", "tmp/other"):
        (tmp_path / directory).mkdir(parents=True)
    everything = tmp_path / "everything.conf"
    everything.write_text("d /tmp 1777 - - 0\n")
    ours = TOP / "etc" / "tmpfiles.d" / "stasis.conf"
    done = run("systemd-tmpfiles", "--clean", f"--root={tmp_path}", everything, ours)
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to(tmp_path / "tmp")) for path in sorted((tmp_path / "tmp").rglob("*"))] == [".stasis-a1B2c3", ".stasis-a1B2c3/tmp"]
