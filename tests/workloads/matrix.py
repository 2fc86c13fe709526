"""What became of each workload: a row each, as a table for people and as JSON for programs."""

import json
import os

from bed import TOP

FILE = TOP / "build" / "test-results" / "workloads.json"
COLUMNS = [
    ("name", "workload"),
    ("processes", "processes"),
    ("threads", "threads"),
    ("bytes", "image"),
    ("frozen", "frozen"),
    ("moves", "moves"),
    ("verdict", "verdict"),
]


def shown(column, value):
    if value is None:
        return "-"
    if column == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if column == "frozen":
        return f"{value:.3f} s"
    return str(value)


class Matrix:
    def __init__(self):
        self.rows = []

    def add(self, name, **values):
        """A row; values are filled in as they become known, so that one of a test that fails half-way is there as well."""
        row = {column: None for column, _ in COLUMNS} | {"name": name, "verdict": "failed"} | values
        self.rows.append(row)
        return row

    def write(self):
        FILE.parent.mkdir(parents=True, exist_ok=True)
        new = FILE.with_suffix(".new")
        new.write_text(json.dumps({"workloads": self.rows}, indent=1) + "\n")
        os.replace(new, FILE)

    def lines(self):
        table = [[title for _, title in COLUMNS]] + [[shown(column, row[column]) for column, _ in COLUMNS] for row in self.rows]
        widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
        return ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in table]
