"""The two sides that scripts/bench compares, one checkpoint at a time: Stasis, and what an administrator would script."""

import base64
import json
import os
import re
import subprocess

from place import NODE


def daemon_cpu(bed):
    """Seconds that the daemon and all that it waited for have used so far; the worker of a checkpoint has ended when it is told."""
    text = bed.sh(NODE, "cat /proc/$(pidof stasisd | tr ' ' '\\n' | sort -n | head -n 1)/stat")
    fields = text.rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


# What any single process of the daemon's has at most for itself while somebody holds our stdin; looks 100 times a second.
MEMORY = """
import glob, re, select, sys
most = 0
print("watching", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    for status in glob.glob("/proc/[0-9]*/status"):
        try:
            text = open(status).read()
        except OSError:
            continue
        # One that has ended and was not waited for yet has no memory.
        memory = re.match(r"Name:\\t(?:stasisd|stasis-worker)\\n(?:.*\\n)*RssAnon:\\s+(\\d+)", text)
        most = max(most, int(memory[1]) if memory else 0)
print(most)
"""


class MemoryWatch:
    def __init__(self, bed):
        self.bed = bed

    def __enter__(self):
        command = [self.bed.script, "exec", NODE, "--", "python3", "-c", MEMORY]
        self.watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.watch.stdout.readline()
        return self

    def __exit__(self, *_):
        self.mib = int(self.watch.communicate()[0] or 0) / 1024


def by_stasis(bed, load):
    before = daemon_cpu(bed)
    made = json.loads(bed.sh(NODE, f"stasis checkpoint --json {load.job.id}"))["made"][0]
    return {"frozen": made["frozen_ms"] / 1000, "published": made["took_ms"] / 1000, "bytes": made["bytes"], "cpu": daemon_cpu(bed) - before}


PLAIN = """
set -e
local=/var/lib/stasis/bench; rm -rf $local {place}/plain; mkdir -p $local
begun=$(date +%s%N)
TIMEFORMAT='cpu %U %S'
time {{
  criu dump -t {pid} -D $local -o dump.log --leave-running --tcp-established --file-locks
  cp -r $local {place}/plain
  sync $(find {place}/plain) || sync
}}
echo "published $(( $(date +%s%N) - begun ))"
echo "bytes $(du -sb {place}/plain | cut -f1)"
base64 -w0 $local/stats-dump
"""


def by_hand(bed, load):
    done = bed.run(NODE, "bash", "-c", PLAIN.format(place=load.place, pid=load.pid))
    if done.returncode != 0:
        raise SystemExit(f"bench: criu dump: {done.stderr}\n" + bed.run(NODE, "tail", "/var/lib/stasis/bench/dump.log").stdout)
    *_, published, size, stats = done.stdout.strip().splitlines()
    image = base64.b64decode(stats)
    entry = varints(varints(image[12:])[1])
    user, system = re.search(r"cpu ([0-9.]+) ([0-9.]+)", done.stderr).groups()
    return {
        "frozen": entry[2] / 1e6,
        "published": int(published.split()[1]) / 1e9,
        "bytes": int(size.split()[1]),
        "cpu": float(user) + float(system),
    }


def varints(data):
    """{field: value} of a protobuf message's plain numbers, and its nested messages as bytes."""
    at, fields = 0, {}

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            fields[key >> 3] = varint()
        elif key & 7 == 2:
            size = varint()
            fields[key >> 3] = data[at : at + size]
            at += size
        else:
            break
    return fields
