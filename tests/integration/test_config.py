"""stasisd --check-config says what is wrong before a restart does."""

import re

import pytest

from programs import STASIS, STASISD, TOP, run

SHIPPED = TOP / "etc" / "stasis.yaml"


def check(path):
    return run(STASISD, "--check-config", "--config", path)


@pytest.mark.parametrize("path", [SHIPPED, TOP / "scripts" / "lib" / "stasis.yaml"], ids=["shipped", "test bed's"])
def test_the_files_of_this_tree_are_valid(path):
    done = check(path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_key_that_the_shipped_file_shows_exists_and_takes_the_value_shown(tmp_path):
    # What is commented out there is "#key: value" without a blank; prose has one.
    text, shown = re.subn(r"(?m)^( *)#(?=(?:  )*[a-z_]+:)", r"\1", SHIPPED.read_text())
    assert shown > 15
    config = tmp_path / "stasis.yaml"
    config.write_text(text)
    done = check(config)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("stroe: /scratch\n", 1, "stroe"),
        ("store: scratch\n", 1, "absolute path"),
        ("defaults:\n  keep: 0\n", 2, "1 to 100"),
        ("defaults:\n  keep: 2\n  keep: 3\n", 3, "keep"),
        ("partitions:\n  preempt:\n    checkpoint_every: often\n", 3, "often"),
        ("defaults: [\n", 2, ""),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_line(tmp_path, text, line, says):
    config = tmp_path / "stasis.yaml"
    config.write_text(text)
    done = check(config)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{config}:{line}: " in done.stderr and says in done.stderr
    assert done.stderr.count("\n") == 1
    # The CLI reads the same file and says the same.
    assert run(STASIS, "--config", config, "keygen").stderr.replace("stasis:", "stasisd:", 1) == done.stderr


def test_a_file_that_is_named_and_not_there_is_an_error(tmp_path):
    done = check(tmp_path / "missing.yaml")
    assert done.returncode == 1
    assert "missing.yaml" in done.stderr and done.stderr.count("\n") == 1
