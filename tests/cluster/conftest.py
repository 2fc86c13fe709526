"""Brings the bed up once, keeps others off it, leaves no job behind, and shows the logs of what failed."""

import fcntl
import os
import subprocess

import pytest

from bed import CLUSTER, DAEMON_LOG, TOP, Bed, counting, eventually

LOGS = {
    "ctl": ["/var/log/slurmctld.log"],
    "n1": [DAEMON_LOG, "/var/log/slurmd.log"],
    "n2": [DAEMON_LOG, "/var/log/slurmd.log"],
    "n3": [DAEMON_LOG, "/var/log/slurmd.log"],
}


@pytest.fixture(scope="session")
def whole_bed():
    lock = open(TOP / "build" / f"cluster-tests{os.environ.get('STASIS_BED', '')}.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    subprocess.run([CLUSTER, "up"], check=True)
    yield Bed()
    if os.environ.get("STASIS_KEEP_BED") != "1":
        subprocess.run([CLUSTER, "down"], check=True)


# --- two lanes, of which each has a bed of its own: see scripts/test

LANES = os.environ.get("STASIS_TEST_LANES")
LANE = os.environ.get("STASIS_TEST_LANE", "1")


def pytest_collection_modifyitems(items):
    if LANE == "2":
        places = {file: -place for place, file in enumerate(dict.fromkeys(item.path for item in items))}
        items.sort(key=lambda item: places[item.path])


def is_ours(file):
    """Whoever comes first has all tests of a file."""
    claim = os.path.join(LANES, file.name)
    try:
        with open(claim, "x") as mine:
            mine.write(LANE)
    except FileExistsError:
        with open(claim) as taken:
            return taken.read() == LANE
    return True


def pytest_runtest_protocol(item):
    # True: nothing is left to be done for it.
    return None if LANES is None or is_ours(item.path) else True


def log_sizes(bed):
    sizes = {}
    for node, files in LOGS.items():
        for file in files:
            done = bed.run(node, "stat", "-L", "-c", "%s", file)
            sizes[node, file] = int(done.stdout) if done.returncode == 0 else 0
    return sizes


def end_all_jobs(bed):
    for user in ("alice", "bob"):
        bed.sh("ctl", f"scancel --user={user}")

    def empty():
        return bed.run("ctl", "squeue", "--noheader").stdout == ""

    eventually(empty, 60, "the queue is empty")


@pytest.fixture
def bed(whole_bed, request):
    """A bed whose nodes are all there and which nobody else uses."""
    for node in whole_bed.nodes:
        whole_bed.verb("start", node)
    whole_bed.log_starts = request.node.log_sizes = log_sizes(whole_bed)
    yield whole_bed
    end_all_jobs(whole_bed)


def logs_of_failure(bed, sizes):
    """What the daemons wrote during the test, criu's last words, and what the jobs wrote."""
    sections = []

    def add(title, node, *argv):
        sections.append((title, bed.run(node, *argv).stdout[-8000:]))

    for (node, file), size in sizes.items():
        add(f"{node}:{file}", node, "tail", "-c", f"+{size + 1}", file)
    criu = "for f in /var/lib/stasis/local/*/*.log /var/lib/stasis/local/*/*/*.log; do [ -e $f ] && echo \"== $f\" && grep Error $f && tail -n 20 $f; done"
    for node in bed.nodes:
        add(f"{node}:criu", node, "sh", "-c", criu)
    add("newest job outputs", "ctl", "sh", "-c", "for f in $(ls -t /home/alice/*.out | head -n 3); do echo \"== $f\"; cat $f; done")
    add("queue", "ctl", "squeue", "--states=all")
    return sections


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call" and report.failed and "bed" in item.funcargs:
        report.sections += logs_of_failure(item.funcargs["bed"], item.log_sizes)
        # To be read while the others are still at it.
        folder = TOP / "build" / "test-results" / "failures"
        folder.mkdir(parents=True, exist_ok=True)
        texts = [report.longreprtext] + [f"---- {title}\n{text}" for title, text in report.sections]
        (folder / (item.name.replace("/", "_") + ".txt")).write_text("\n".join(texts))


FIGURES = []


@pytest.fixture
def figure(record_property):
    """Notes a measured value: for the log's last lines, and for the results' file."""

    def note(name, value, sentence):
        record_property(name, value)
        FIGURES.append(sentence)

    return note


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
        for sentence in FIGURES:
            terminalreporter.write_line(sentence)


@pytest.fixture(scope="session")
def undisturbed(whole_bed):
    """The whole output of an uninterrupted, unprotected run of a script; each script is run once."""
    known = {}

    def run(script, *options):
        if (script, options) not in known:
            job = whole_bed.submit(script, "--checkpoint-every=off", *options)
            end = job.wait_end(300)
            known[script, options] = (job.output(), end)
        return known[script, options]

    return run


@pytest.fixture
def same_as_undisturbed(undisturbed):
    """Asserts that a job's whole output and its end are those of an uninterrupted run of its script, submitted with
    `options`."""

    def check(job, script, *options, timeout=180):
        output, end = undisturbed(script, *options)
        assert job.wait_end(timeout) == end
        assert job.output() == output

    return check


__all__ = ["counting"]
