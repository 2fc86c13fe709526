"""Our programs as built, run to their end or beside fakes of what they talk to. Nothing here needs Slurm or CRIU.

Nothing waits for a fixed time: eventually() polls until a deadline and says what it waited for in vain.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STASIS_BUILD", TOP / "build" / "debug"))
FAKE = TOP / "tests" / "fakes" / "slurm_or_criu.py"

STASIS = BUILD / "cli" / "stasis"
STASISD = BUILD / "daemon" / "stasisd"
PLUGIN = BUILD / "spank" / "spank_stasis.so"
CAPSULE = [BUILD / "capsule" / f"stasis-{name}" for name in ("shim", "init", "anchor", "hook")]

# A program that takes longer hangs, however busy the machine is.
SECONDS = 60


def run(*argv, user=None, **options):
    """The finished process; its returncode, stdout and stderr are for the caller to judge."""
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": SECONDS} | options
    return subprocess.run([str(word) for word in argv], user=user, check=False, **options)


def eventually(predicate, timeout, what):
    """Polls until predicate() is true, and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {timeout} s still not: {what}"
        time.sleep(0.02)


class Fakes:
    """A directory of programs that answer as they are told to, and what they were asked. See tests/fakes."""

    def __init__(self, directory):
        self.directory = directory
        self.answers = []
        directory.mkdir()
        for name in ("scontrol", "squeue", "sacct", "sbatch", "criu"):
            # A copy, not a link: the program finds its answers beside itself.
            shutil.copy(FAKE, directory / name)
        # Other users' calls count as well.
        (directory / "calls.jsonl").touch()
        (directory / "calls.jsonl").chmod(0o666)
        self._write()

    def answer(self, *call, **answer):
        """When called with words that begin like `call`, answer with out=, err=, status=, sleep=. The newest counts."""
        self.answers.insert(0, [list(call), answer])
        self._write()

    def _write(self):
        # A program may be reading it just now.
        new = self.directory / "answers.new"
        new.write_text(json.dumps(self.answers))
        new.rename(self.directory / "answers.json")

    def calls(self):
        """Every call so far, in order: name, arguments, environment and descriptors."""
        written = self.directory / "calls.jsonl"
        return [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []

    def words(self):
        return [[call["name"], *call["arguments"]] for call in self.calls()]


class Site:
    """A node's worth of configuration in a directory of its own, for a daemon and a CLI that know nothing else."""

    def __init__(self, directory):
        self.directory = directory
        self.fakes = Fakes(directory / "bin")
        self.config = directory / "stasis.yaml"
        self.socket = directory / "run" / "stasisd.sock"
        self.key = directory / "key"
        self.configure("")
        made = run(STASIS, "--config", self.config, "keygen", "--id", "test", umask=0o077)
        self.key.write_text(made.stdout)
        self.key.chmod(0o600)

    def configure(self, more):
        places = {
            "store": self.directory / "store",
            "key_file": self.key,
            "local": self.directory / "local",
            "socket": self.socket,
            "criu": self.fakes.directory / "criu",
            "scontrol": self.fakes.directory / "scontrol",
        }
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in places.items()) + more)

    def stasis(self, *words, **options):
        return run(STASIS, "--config", self.config, *words, **options)


class Daemon:
    """stasisd of a Site, from its start to its end."""

    def __init__(self, site):
        self.site = site
        self.log_file = site.directory / "stasisd.log"
        with open(self.log_file, "a") as log:
            self.process = subprocess.Popen(
                [STASISD, "--config", site.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def log(self):
        return self.log_file.read_text()

    def wait_log(self, text, timeout=SECONDS):
        eventually(lambda: text in self.log(), timeout, f"'{text}' in stasisd's log")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(SECONDS)
        connection.connect(str(self.site.socket))
        return connection

    def end(self):
        """Its exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait(SECONDS)


def message(verb, **fields):
    """A datagram, as common/message.h has it."""
    words = ["stasis1", verb, *(f"{key}={value}" for key, value in fields.items())]
    return "".join(word + "\0" for word in words).encode()


def read_message(datagram):
    """(verb, {key: value}) of a datagram; of a key that comes twice the last value."""
    magic, verb, *fields = datagram.decode().rstrip("\0").split("\0")
    assert magic == "stasis1"
    return verb, dict(field.split("=", 1) for field in fields)
