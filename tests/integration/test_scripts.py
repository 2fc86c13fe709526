"""The scripts themselves: wrong calls, and scripts/test in a small tree whose tests end as the test wants."""

import os
import shutil

import pytest

from programs import TOP, run

CMAKE = """\
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES NONE)
enable_testing()
{tests}
"""
PRESETS = """\
{ "version": 6,
  "configurePresets": [{ "name": "debug", "generator": "Ninja", "binaryDir": "${sourceDir}/build/debug" }],
  "buildPresets": [{ "name": "debug", "configurePreset": "debug" }] }
"""


class SmallTree:
    """scripts/test, with tests of its own to run."""

    def __init__(self, top):
        self.top = top
        (top / "scripts" / "lib").mkdir(parents=True)
        for name in ("test", "lib/common.sh"):
            shutil.copy(TOP / "scripts" / name, top / "scripts" / name)
        self.script("setup", "exit 0")
        (top / "CMakePresets.json").write_text(PRESETS)
        self.unit(Adds="true", Divides="true")
        self.pytest("def test_it_holds(): pass\n")

    def script(self, name, text):
        path = self.top / "scripts" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def unit(self, **tests):
        lines = [f"add_test(NAME {name} COMMAND {command})" for name, command in tests.items()]
        lines += [f"set_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77)" for name in tests]
        (self.top / "CMakeLists.txt").write_text(CMAKE.format(tests="\n".join(lines)))

    def pytest(self, text, ring="integration"):
        (self.top / "tests" / ring).mkdir(parents=True, exist_ok=True)
        (self.top / "tests" / ring / "test_small.py").write_text(text)

    def test(self, *words, **options):
        return run(self.top / "scripts" / "test", *words, **options)


@pytest.fixture
def tree(tmp_path):
    return SmallTree(tmp_path / "tree")


def last_line(done):
    return done.stdout.splitlines()[-1]


def test_the_last_line_sums_up_all_rings(tree):
    tree.unit(Adds="true", Skipped="sh -c \"exit 77\"")
    tree.pytest("import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n): pass\n")
    done = tree.test("unit", "integration")
    assert last_line(done) == "4 passed, 0 failed, 1 skipped"
    assert done.returncode == 0
    # A line for each.
    assert done.stdout.count("Passed") == 1 and done.stdout.count("PASSED") == 3


@pytest.mark.parametrize(
    "unit, integration, summary",
    [
        ({"Adds": "true", "Fails": "false"}, "def test_it(): pass\n", "2 passed, 1 failed, 0 skipped"),
        ({"Adds": "true"}, "def test_it(): assert False\n", "1 passed, 1 failed, 0 skipped"),
        ({"Adds": "true"}, "def test_it(thing): pass\n", "1 passed, 1 failed, 0 skipped"),
        ({"Adds": "true"}, "import nothing_of_that_name\n", "1 passed, 1 failed, 0 skipped"),
        ({"Missing": "/nowhere/at/all"}, "def test_it(): pass\n", "1 passed, 1 failed, 0 skipped"),
        ({"Adds": "true"}, "import os\ndef test_it(): os._exit(3)\n", "1 passed, 1 failed, 0 skipped"),
    ],
    ids=["ctest", "pytest", "fixture", "import", "no program", "crash"],
)
def test_any_failure_of_any_ring_is_a_failure(tree, unit, integration, summary):
    tree.unit(**unit)
    tree.pytest(integration)
    done = tree.test("unit", "integration")
    assert last_line(done) == summary
    assert done.returncode == 1


def test_a_ring_without_a_single_test_is_a_failure(tree):
    tree.pytest("")
    done = tree.test("unit", "integration")
    assert last_line(done) == "2 passed, 1 failed, 0 skipped"
    assert done.returncode == 1
    assert "integration: there is no test" in done.stderr
    tree.unit()
    done = tree.test("unit")
    assert (last_line(done), done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)


def test_a_ring_whose_folder_is_missing_is_a_failure(tree):
    shutil.rmtree(tree.top / "tests")
    done = tree.test("integration")
    assert (last_line(done), done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)


def test_a_build_that_fails_is_a_failure_with_a_reason_and_a_last_line(tree):
    (tree.top / "CMakeLists.txt").write_text("nonsense(\n")
    done = tree.test("unit")
    assert (last_line(done), done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)
    assert "configuring the build failed" in done.stderr


def test_packages_that_cannot_be_installed_are_a_failure(tree):
    tree.script("setup", "echo setup: no network >&2; exit 1")
    done = tree.test("unit")
    assert (last_line(done), done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)
    assert "setup: no network" in done.stderr


def test_a_pattern_chooses_tests_of_all_rings(tree):
    tree.pytest("def test_adds(): pass\ndef test_divides(): assert False\n")
    done = tree.test("unit", "integration", "-k", "[Aa]dds")
    # pytest's patterns are no regular expressions: nothing there matches, and that is no failure of the ring.
    assert (last_line(done), done.returncode) == ("1 passed, 0 failed, 0 skipped", 0)
    done = tree.test("integration", "-k", "adds")
    assert (last_line(done), done.returncode) == ("1 passed, 0 failed, 0 skipped", 0)


def test_a_pattern_that_matches_nothing_at_all_is_a_wrong_call(tree):
    done = tree.test("unit", "integration", "-k", "nosuchtest")
    assert (last_line(done), done.returncode) == ("0 passed, 0 failed, 0 skipped", 2)
    assert "no test matches 'nosuchtest'" in done.stderr


WHICH_BED = "import os\ndef test_bed(): assert os.environ['STASIS_BED_PROGRAMS'] + os.environ['STASIS_BED'] == '1workloads'\n"


@pytest.mark.parametrize("words", [["workloads"], ["-k", "workloads"]], ids=" ".join)
def test_the_workloads_are_a_ring_with_a_bed_of_its_own(tree, root, words):
    tree.pytest("def test_workloads(): assert False\n")
    tree.pytest(WHICH_BED, ring="workloads")
    done = tree.test(*words, env={name: value for name, value in os.environ.items() if name != "STASIS_BED"})
    assert (last_line(done), done.returncode) == ("1 passed, 0 failed, 0 skipped", 0)


def test_results_of_an_earlier_run_do_not_count(tree):
    assert tree.test("integration").returncode == 0
    tree.pytest("import os\nos._exit(0)\n")
    done = tree.test("integration")
    assert (last_line(done), done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)


@pytest.mark.parametrize(
    "words, says",
    [
        (["test", "everything"], "there are unit, integration, cluster, vm, workloads and all"),
        (["test", "unit", "-k"], "-k takes a pattern"),
        (["test", "-k", ""], "-k takes a pattern"),
        (["setup", "everything"], "there are build, cluster, vm, package and all"),
        (["demo", "--fast"], "takes --keep or nothing"),
        (["package"], "say where the packages go"),
        (["cluster", "upp"], "there are up, down"),
        (["vmcluster", "upp"], "there are up, down"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_of_a_script_is_refused_with_status_2(words, says):
    done = run(TOP / "scripts" / words[0], *words[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.startswith(f"{words[0]}: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", sorted(path.name for path in (TOP / "scripts").iterdir() if path.is_file()))
def test_a_script_tells_how_it_is_called(name):
    done = run(TOP / "scripts" / name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_setup_has_nothing_to_say_where_everything_is_there():
    done = run(TOP / "scripts" / "setup", "build")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_test_beds_are_for_root(root):
    done = run(TOP / "scripts" / "test", "cluster", user="nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sudo" in done.stderr and done.stderr.count("\n") == 1


def test_bench_says_what_it_does_and_refuses_what_it_does_not_know():
    told = run(TOP / "scripts" / "bench", "--help")
    assert told.returncode == 0 and "--quick" in told.stdout
    for words in (["--fast"], ["--rounds", "0"], ["--rounds", "many"]):
        assert run(TOP / "scripts" / "bench", *words).returncode == 2
