"""`stasis keygen` makes a line for the key file, fresh each time."""

import re

import pytest

from programs import STASIS, run


def keygen(tmp_path, *words):
    return run(STASIS, "--config", tmp_path / "none.yaml", "keygen", *words)


def test_a_key_is_a_name_and_256_bits(tmp_path):
    done = keygen(tmp_path, "--id", "spring-2")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"spring-2 [0-9a-f]{64}\n", done.stdout)


def test_a_key_is_named_after_its_day_and_never_made_twice(tmp_path):
    first, second = (keygen(tmp_path).stdout for _ in range(2))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [0-9a-f]{64}\n", first)
    assert first != second


@pytest.mark.parametrize("name", ["Spring", "a b", "a/b", "é", "a" * 65])
def test_a_name_that_the_key_file_could_not_hold_is_refused(tmp_path, name):
    done = keygen(tmp_path, "--id", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a-z, 0-9" in done.stderr and done.stderr.count("\n") == 1
