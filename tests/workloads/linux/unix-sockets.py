"""Unix sockets: streams, datagrams, sequenced packets, abstract names, descriptors passed along, messages under way."""

import os
import socket
import sys
import time

STEPS = 48
KINDS = [socket.SOCK_STREAM, socket.SOCK_SEQPACKET]
NAMES = ["stream", "\0workload"]

listeners = []
for kind, name in zip(KINDS, NAMES):
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(name)
    listener.listen()
    listeners.append(listener)
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
datagrams.bind("/tmp/datagrams")

child = os.fork()
if child == 0:
    ours.close()
    connections = [listener.accept()[0] for listener in listeners]
    count = 0
    while True:
        # A file comes along with each datagram; a line goes into it.
        message, descriptors, _, _ = socket.recv_fds(theirs, 100, 4)
        if message == b"end":
            sys.exit(count)
        for descriptor in descriptors:
            os.write(descriptor, b"written for " + message + b"\n")
            os.close(descriptor)
        for connection in connections:
            connection.sendall(connection.recv(100).upper())
        count += 1

theirs.close()
clients = []
for kind, name in zip(KINDS, NAMES):
    client = socket.socket(socket.AF_UNIX, kind)
    client.connect(name)
    clients.append(client)
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.connect("/tmp/datagrams")
way = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
with open("file", "w+b", buffering=0) as file:
    for step in range(STEPS):
        for client in clients:
            client.sendall(b"step %d" % step)
        sender.send(b"datagram %d" % step)
        socket.send_fds(way[0], [b"along"], [file.fileno()])
        # The datagram waits in its queue meanwhile, and so does the descriptor.
        time.sleep(0.2)
        _, (along,), _, _ = socket.recv_fds(way[1], 100, 1)
        os.write(along, b"came along\n")
        os.close(along)
        read, write = os.pipe()
        socket.send_fds(ours, [b"step %d" % step], [file.fileno(), write])
        os.close(write)
        answers = [client.recv(100).decode() for client in clients]
        with os.fdopen(read) as lines:
            print(*answers, datagrams.recv(100).decode(), lines.read().strip(), sep=", ", flush=True)
    ours.send(b"end")
    print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.path.getsize("file"))
