"""A pod's stand-in for the tests of the ingress, run on a node by its python3: `ingress_backend.py ADDRESS:PORT[=NAME]...`.

It says as JSON what it was asked. /stream sends half an answer and the other half once /release was asked for; an upgrade is
answered, and what comes then is sent back; /slow answers after the seconds of its query.
"""

import asyncio
import json
import sys
import urllib.parse

released = asyncio.Event()
connections = 0


async def head(reader):
    line = (await reader.readline()).decode("latin-1").split()
    headers = {}
    while (text := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return line, headers


async def body(reader, headers):
    """How many bytes there were."""
    count = 0
    if headers.get("transfer-encoding", "") == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            while size:
                data = await reader.read(min(size, 1 << 20))
                size -= len(data)
                count += len(data)
            await reader.readline()
        await reader.readline()
        return count
    left = int(headers.get("content-length", 0))
    while left and (data := await reader.read(min(left, 1 << 20))):
        left -= len(data)
        count += len(data)
    return count


async def serve(name, reader, writer):
    global connections
    connections += 1
    number = connections
    try:
        while True:
            line, headers = await head(reader)
            if len(line) < 2:
                return
            if headers.get("upgrade"):
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
                return
            path, _, query = line[1].partition("?")
            count = await body(reader, headers)
            if path == "/stream":
                released.clear()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                writer.write(b"d\r\ndata: first\n\n\r\n")
                await writer.drain()
                await released.wait()
                writer.write(b"e\r\ndata: second\n\n\r\n0\r\n\r\n")
                await writer.drain()
                continue
            if path == "/release":
                released.set()
            if path == "/slow":
                await asyncio.sleep(float(urllib.parse.parse_qs(query)["seconds"][0]))
            said = {"pod": name, "method": line[0], "uri": line[1], "headers": headers}
            said |= {"bytes": count, "connection": number}
            text = json.dumps(said).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    for argument in sys.argv[1:]:
        where, _, name = argument.partition("=")
        address, _, port = where.rpartition(":")
        await asyncio.start_server(lambda r, w, name=name: serve(name, r, w), address, int(port), limit=1 << 20)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
