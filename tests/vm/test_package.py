"""The product arrives on the machines as a site would install it: from its own Debian package."""

import pytest

from bed import COUNTING, wait_for


@pytest.mark.parametrize("node", ["ctl", "n1", "n2"])
def test_the_package_is_installed_on_every_node(bed, node):
    assert bed.out(node, "dpkg-query -W -f '${db:Status-Abbrev}' stasis").startswith("ii")
    files = bed.out(node, "dpkg -L stasis").splitlines()
    for path in (
        "/usr/sbin/stasisd",
        "/usr/bin/stasis",
        "/usr/libexec/stasis/stasis-init",
        "/usr/libexec/stasis/stasis-shim",
        "/usr/lib/systemd/system/stasisd.service",
        "/etc/stasis/stasis.yaml",
        "/etc/slurm/plugstack.conf.d/stasis.conf",
    ):
        assert path in files
    assert any(path.endswith("/slurm-wlm/spank_stasis.so") for path in files)


def test_nothing_installed_differs_from_the_package(bed):
    # Configuration files (c) may: those are the site's.
    changed = [line for line in bed.out("n1", "dpkg -V stasis || true").splitlines() if " c " not in line]
    assert changed == []


# What a package manager leaves of a package that made no file by itself.
LEFT = "find / -xdev -iname '*stasis*' -not -path '/proc/*' -not -path '/root/product/*' -not -path '/var/log/journal/*'"


@pytest.fixture
def package_on_n2(bed):
    """n2 has the package, with this bed's policy and key, whatever the test did."""
    bed.out("n2", "cp /etc/stasis/key /root/key")
    yield
    bed.out("n2", "dpkg -i /root/product/*.deb")
    bed.out("n2", "cp /root/product/stasis.yaml /etc/stasis/stasis.yaml && mv /root/key /etc/stasis/key")
    bed.out("n2", "systemctl restart stasisd && systemctl is-active stasisd")


def test_jobs_run_where_the_package_is_removed_and_purging_it_leaves_nothing(bed, package_on_n2):
    job = bed.finished(bed.submit("sleep 1; echo with", "-w n2 --checkpoint-every=1h"))
    assert bed.job_output(job["JobId"]) == "with"

    # Removed, its configuration stays, Slurm's among it: that must not keep jobs from running.
    bed.out("n2", "dpkg --remove stasis")
    assert bed.run("n2", "pgrep -l stasis").stdout == ""
    job = bed.finished(bed.submit("echo without", "-w n2"))
    assert bed.job_output(job["JobId"]) == "without"

    bed.out("n2", "dpkg --purge stasis")
    left = [path for path in bed.out("n2", LEFT).splitlines() if not path.startswith("/scratch")]
    assert left == []
    job = bed.finished(bed.submit("echo without", "-w n2"))
    assert bed.job_output(job["JobId"]) == "without"


def test_the_package_can_be_installed_again(bed, package_on_n2):
    bed.out("n2", "dpkg --purge stasis && dpkg -i /root/product/*.deb")
    # Without a key there is no daemon, and it says what to do.
    wait_for("the daemon to say so", lambda: "stasis keygen" in bed.out("n2", "journalctl -u stasisd -q --no-pager -n 20"), 60)
    bed.out("n2", "cp /root/key /etc/stasis/key && systemctl restart stasisd")
    job = bed.finished(bed.submit("sleep 1; grep -c stasis-init /proc/1/comm", "-w n2 --checkpoint-every=1h"))
    assert bed.job_output(job["JobId"]) == "1"


# The same package, as its next version would be called.
NEWER = """
rm -rf /root/newer
dpkg-deb -R /root/product/stasis_*.deb /root/newer
sed -i 's/^Version: .*/&+newer/' /root/newer/DEBIAN/control
dpkg-deb -b /root/newer /root/stasis_newer_amd64.deb
"""


def test_an_upgrade_with_a_running_job_loses_nothing_and_the_job_moves_to_a_node_without_it(bed, package_on_n2, undisturbed, on_n2):
    expected = undisturbed(COUNTING)
    bed.out("n2", NEWER)
    job = on_n2(COUNTING, "--checkpoint-every=1h")
    main_pid = "systemctl show -p MainPID --value stasisd"
    daemon = bed.out("n2", main_pid)
    settings = bed.out("n2", "sha256sum /etc/stasis/stasis.yaml")

    # Over a connection of its own: without a terminal, as an administrator's tool has it.
    bed.out("n2", "apt-get install -y /root/stasis_newer_amd64.deb </dev/null 2>&1")
    assert bed.out("n2", "dpkg-query -W -f '${Version}' stasis").endswith("+newer")
    assert bed.out("n2", main_pid) not in ("0", daemon)
    assert bed.out("n2", "sha256sum /etc/stasis/stasis.yaml") == settings
    log = f"journalctl -q --no-pager -o cat _PID=$({main_pid})"
    wait_for("the new daemon to have the job", lambda: f"job={job.id}.batch capsule is back" in bed.out("n2", log), 60)

    bed.out("n2", f"stasis checkpoint {job.id}")
    bed.out("n2", f"stasis checkpoint --requeue {job.id}")
    assert job.running_on(restarts=1) == "n1"
    assert job.end() == expected
    assert "goes on from checkpoint 2 on n1" in job.raw_output()
