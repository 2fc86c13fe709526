"""Network sockets of a job that goes on on another node, which has other addresses."""

import pytest

from bed import eventually

# A server and two clients that talk to it over the node's own address, or one that stands for it, with a line each way
# per step.
TALK = """#!/usr/bin/env python3
import hashlib, socket, subprocess, sys, threading, time
kind, steps = "{kind}", {steps}
addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
own = next(address for address in addresses if (":" in address) == (kind == "own6"))
family, host = {{
    "own": (socket.AF_INET, own),
    "own6": (socket.AF_INET6, own),
    "any": (socket.AF_INET, "0.0.0.0"),
    "mapped": (socket.AF_INET6, "::ffff:" + own),
    "loopback": (socket.AF_INET, "127.0.0.1"),
}}[kind]
server = socket.socket(family)
if kind == "mapped":
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.bind((host, 0))
server.listen()
port = server.getsockname()[1]


def serve(peer):
    lines = peer.makefile("rw")
    for line in lines:
        lines.write(hashlib.sha256(line.encode()).hexdigest()[:16] + "\\n")
        lines.flush()


def accept():
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
clients = []
for _ in range(2):
    client = socket.socket(family)
    client.connect((own if kind == "any" else host, port))
    clients.append(client.makefile("rw"))
for step in range(steps):
    for number, client in enumerate(clients):
        client.write(f"{{step}} {{number}}\\n")
        client.flush()
        print(step, number, client.readline().strip(), flush=True)
    time.sleep(0.25)
"""


@pytest.fixture
def addresses_of_both_kinds(bed):
    """Each node has one of IPv6, too, beside that which it has of IPv4."""
    interface = "$(ip -o route get \"$(getent ahostsv4 ctl | head -n 1 | cut -d' ' -f1)\" | sed 's/.* dev \\([^ ]*\\).*/\\1/')"
    for number, node in enumerate(bed.nodes, 1):
        bed.sh(node, f"ip -6 addr replace fd5a:1::{number}/64 dev {interface} nodad")
    yield
    for number, node in enumerate(bed.nodes, 1):
        bed.sh(node, f"ip -6 addr del fd5a:1::{number}/64 dev {interface}")


@pytest.mark.parametrize("kind", ["own", "own6", "any", "mapped", "loopback"])
def test_connections_within_a_job_move_along(bed, same_as_undisturbed, addresses_of_both_kinds, kind):
    script = TALK.format(kind=kind, steps=30)
    job = bed.submit(script, "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
    assert "outside of the job" not in job.raw_output()


# A server that closes its first connection first, so that its port is not free for a minute after that on the node where
# it was, and then talks over a second one.
CLOSED_ONE = """#!/usr/bin/env python3
import socket, time
server = socket.socket({family})
server.bind(("{host}", 0))
server.listen()
for number in range(2):
    client = socket.socket({family})
    client.connect(server.getsockname())
    peer, _ = server.accept()
    if number == 0:
        peer.close()
        assert client.recv(1) == b""
        client.close()
for step in range(40):
    client.sendall(b"%d\\n" % step)
    print(peer.recv(100).decode().strip(), flush=True)
    time.sleep(0.25)
"""


@pytest.mark.parametrize("family, host", [("socket.AF_INET", "0.0.0.0"), ("socket.AF_INET6", "::1")])
def test_a_job_is_back_on_a_node_where_it_closed_a_connection_a_moment_ago(bed, same_as_undisturbed, family, host):
    script = CLOSED_ONE.format(family=family, host=host)
    job = bed.submit(script, "-x", "n3", "--checkpoint-every=3s", "--requeue-on-ckpt")
    same_as_undisturbed(job, script)
    assert job.restarts() >= 2
    assert job.raw_output().count("goes on from checkpoint") == job.restarts(), job.raw_output()


@pytest.fixture
def outside_server(bed):
    """On ctl: sends a number each 0.1 s to whoever connects. Its port."""
    server = """
import socket, threading, time
listener = socket.create_server(("0.0.0.0", 0), reuse_port=False)
print(listener.getsockname()[1], flush=True)
def serve(peer):
    try:
        number = 0
        while True:
            number += 1
            peer.sendall(b"%d\\n" % number)
            time.sleep(0.1)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
    bed.run("ctl", "tee", "/tmp/server.py", input=server)
    bed.sh("ctl", "setsid python3 /tmp/server.py >/tmp/server.port 2>/dev/null </dev/null & echo $! >/tmp/server.pid")
    port = eventually(lambda: bed.run("ctl", "cat", "/tmp/server.port").stdout.strip(), 20, "the server listens")
    yield int(port)
    bed.run("ctl", "sh", "-c", "kill $(cat /tmp/server.pid); rm -f /tmp/server.*")


# Reads numbers until it has had `wanted` of them; connects anew when the connection breaks.
READER = """#!/usr/bin/env python3
import socket, sys
had, broken = 0, 0
while had < {wanted}:
    lines = socket.create_connection(("ctl", {port})).makefile()
    try:
        for line in lines:
            had += 1
            if had % 10 == 0:
                print("had", had, flush=True)
            if had == {wanted}:
                break
        else:
            print("end of file", flush=True)
            sys.exit(1)
    except OSError as error:
        broken += 1
        print("broken", error.errno, flush=True)
print("done, broken", broken, flush=True)
"""


def test_a_connection_to_the_outside_is_closed_with_an_error(bed, outside_server):
    job = bed.submit(READER.format(port=outside_server, wanted=150), "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(2)
    assert "outside of the job" in bed.sh(node, f"stasis check {job.id}")
    job.requeue()
    assert job.wait_running(restarts=1) != node
    assert job.wait_end() == ("COMPLETED", "0:0")
    output = job.output()
    assert output[-1] == "done, broken 1" and "end of file" not in output
    assert f":{outside_server}, outside of the job, is closed" in job.raw_output()
    assert [line for line in output if line.startswith("had")] == [f"had {n}" for n in range(10, 151, 10)]


def test_a_job_that_only_writes_a_checkpoint_keeps_its_connection(bed, outside_server):
    job = bed.submit(READER.format(port=outside_server, wanted=100), "--checkpoint-every=2s")
    assert job.wait_end() == ("COMPLETED", "0:0")
    assert job.checkpoints() >= 2
    assert job.output()[-1] == "done, broken 0"


def test_where_the_site_says_so_such_a_job_is_not_checkpointed(bed, outside_server):
    job = bed.submit(READER.format(port=outside_server, wanted=1000), "-p", "preempt-grace", "--checkpoint-every=1h")
    node = job.wait_running()
    job.wait_lines(1)
    refused = bed.run(node, "stasis", "checkpoint", str(job.id))
    assert refused.returncode == 1
    assert "outside of the job: at this site no such job is checkpointed" in refused.stdout + refused.stderr
