"""What administrators are told to type to install, to set up and to remove is typed, as it stands on their page and in the
README, on a machine that has none of it. How jobs are moved and looked at is typed by tests/cluster/test_docs.py.

The trigger is set by the bed itself, and how to build is what the bed's package was made by.
"""

import re

import pytest

from bed import COUNTING, TOP, wait_for

OF_AN_ADMINISTRATOR = r"(?m)^ {4,7}((?:apt-get|stasis keygen|stasis doctor|stasisd|chmod|systemctl|journalctl)\b.*)$"


def typed(page):
    return re.findall(OF_AN_ADMINISTRATOR, (TOP / page).read_text())


@pytest.fixture
def bare_n2(bed):
    """n2 without the package, which is in /tmp/packages; in the end it is as it was."""
    bed.out("n2", "cp /etc/stasis/key /root/key && dpkg --purge stasis")
    bed.out("n2", "mkdir -p /tmp/packages && cp /root/product/*.deb /tmp/packages")
    yield
    bed.out("n2", "rm -rf /tmp/packages && dpkg -i /root/product/*.deb")
    bed.out("n2", "cp /root/product/stasis.yaml /etc/stasis/stasis.yaml && mv /root/key /etc/stasis/key")
    bed.out("n2", "systemctl restart stasisd && systemctl is-active stasisd")


def sees_to_the_rest(bed, command):
    """What the page asks for in words, after a command of it."""
    if command.startswith("stasis keygen >"):
        assert bed.out("n2", "wc -l </etc/stasis/key") == "1"
    if command.startswith("chmod") or "&& chmod" in command:
        assert bed.out("n2", "stat -c '%a %U' /etc/stasis/key") == "600 root"
        # "Copy it to the same place on every compute node", and what step 3 says.
        bed.out("n2", "cp /root/key /etc/stasis/key && cp /root/product/stasis.yaml /etc/stasis/stasis.yaml")
        # On the file server, which squashes the nodes' root.
        bed.out("ctl", "mkdir -p /scratch/stasis && chmod 1777 /scratch/stasis")


def type_all(bed, commands):
    for command in commands:
        # Each asks before it does anything, and shows what is longer than a screen in pages.
        command = re.sub(r"^apt-get (\w+)", r"apt-get \1 -y", command).replace("journalctl", "journalctl --no-pager -n 50")
        bed.out("n2", command)
        sees_to_the_rest(bed, command)


def test_install_set_up_upgrade_and_remove_as_the_page_for_administrators_says(bed, bare_n2, undisturbed, on_n2):
    found = typed("docs/admins.md")
    assert len(found) == 11 and found[-2:] == ["apt-get remove stasis", "apt-get purge stasis"]
    expected = undisturbed(COUNTING)
    type_all(bed, found[:-2])
    job = on_n2(COUNTING, "--checkpoint-every=1h")
    bed.out("n2", f"stasis checkpoint --requeue {job.id}")
    assert job.running_on(restarts=1) == "n1" and job.end() == expected
    assert "goes on from checkpoint 1 on n1" in job.raw_output()
    type_all(bed, found[-2:])
    assert bed.run("n2", "ls -d /etc/stasis /var/lib/stasis /usr/sbin/stasisd").stdout == ""


def test_set_up_as_the_readme_says(bed, bare_n2):
    bed.out("n2", "dpkg -i /tmp/packages/*.deb && systemctl disable stasisd")
    found = typed("README.md")
    assert [command.split()[0] for command in found] == ["stasis", "systemctl"]
    type_all(bed, found)
    bed.out("n2", "systemctl is-enabled stasisd")
    wait_for("the daemon to be ready", lambda: "stasisd: ready" in bed.out("n2", "journalctl -u stasisd -q --no-pager -n 5"), 60)
