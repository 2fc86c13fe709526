#!/usr/bin/python3
"""Stands for scontrol, squeue, sacct, sbatch or criu: answers as it was told to, and writes down how it was called.

It is started under those names from a directory that Fakes in tests/integration/programs.py made. Our programs start
others with a clean environment, so what it has to say lies beside it:

  answers.json   [[arguments, answer]...]; the first one whose arguments are how the call begins is taken. An answer
                 has out, err, status and sleep, each with a default
  calls.jsonl    a line per call: its name, arguments, environment, open descriptors and, of sbatch, the script

A call that nobody foresaw fails, so that no test passes by accident.
"""

import json
import os
import sys
import time
from pathlib import Path


def descriptors():
    """What is open besides the listing itself, as {number: what it is}."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return found


def main():
    here = Path(__file__).parent
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    call = {
        "name": name,
        "arguments": arguments,
        "environment": dict(os.environ),
        "descriptors": descriptors(),
    }
    if name == "sbatch":
        call["script"] = Path(arguments[-1]).read_text()
    with open(here / "calls.jsonl", "a") as calls:
        calls.write(json.dumps(call) + "\n")
    for expected, answer in json.loads((here / "answers.json").read_text()):
        if [name, *arguments][: len(expected)] == expected:
            time.sleep(answer.get("sleep", 0))
            sys.stdout.write(answer.get("out", ""))
            sys.stderr.write(answer.get("err", ""))
            sys.exit(answer.get("status", 0))
    sys.exit(f"fake {name}: no answer to {arguments}")


main()
