"""asyncio: a server and clients on loopback and on a Unix socket, timers, a child process."""

import asyncio
import hashlib

STEPS, CLIENTS = 50, 8


async def serve(reader, writer):
    while line := await reader.readline():
        await asyncio.sleep(0.01)
        writer.write(hashlib.sha256(line).hexdigest().encode() + b"\n")
        await writer.drain()
    writer.close()


async def client(number, connection, results, go):
    reader, writer = await connection
    for step in range(STEPS):
        await go[step].wait()
        writer.write(b"%d %d\n" % (number, step))
        await results.put((number, (await reader.readline())[:8].decode()))
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    local = await asyncio.start_unix_server(serve, "socket")
    results, go = asyncio.Queue(), [asyncio.Event() for _ in range(STEPS)]
    connections = [asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)] + [asyncio.open_unix_connection("socket") for _ in range(CLIENTS)]
    clients = [asyncio.create_task(client(number, connection, results, go)) for number, connection in enumerate(connections)]
    child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    for step in range(STEPS):
        go[step].set()
        got = sorted([await results.get() for _ in range(2 * CLIENTS)])
        child.stdin.write(f"step {step}\n".encode())
        print((await child.stdout.readline()).decode().strip(), hashlib.sha256(repr(got).encode()).hexdigest()[:16], flush=True)
        await asyncio.sleep(0.25)
    await asyncio.gather(*clients)
    child.stdin.close()
    print("the child ended with", await child.wait())
    server.close()
    local.close()


asyncio.run(main())
