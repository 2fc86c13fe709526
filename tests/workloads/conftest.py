"""The bed of tests/cluster with more programs in it, and at the end a table of what became of each workload."""

import importlib.util
import sys
from pathlib import Path

import pytest

CLUSTER_TESTS = Path(__file__).resolve().parents[1] / "cluster"
sys.path.insert(0, str(CLUSTER_TESTS))


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


import matrix  # noqa: E402  (beside this file)

RESULTS = matrix.Matrix()


def pytest_configure(config):
    # Its fixtures and hooks; by another name, as this file has the same.
    config.pluginmanager.register(load("cluster_conftest", CLUSTER_TESTS / "conftest.py"))


@pytest.fixture
def rows():
    yield RESULTS
    # At once: a run that is cut off has told what it knew.
    RESULTS.write()


def pytest_terminal_summary(terminalreporter):
    if RESULTS.rows:
        terminalreporter.section("workloads")
        for line in RESULTS.lines():
            terminalreporter.write_line(line)
