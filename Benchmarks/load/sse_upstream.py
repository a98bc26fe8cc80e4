"""An upstream whose answers never end: one event a second on every connection, as a model that thinks slowly.

    sse_upstream.py PORT

HTTP/1.1, chunked, one task a connection. It reads a request's head and body and streams until the peer closes.
"""

import asyncio
import sys

# X-Accel-Buffering asks nginx to pass each event on as it comes, which the other proxies do anyway.
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
EVENT = b'data: {"candidates":[{"content":{"parts":[{"text":"and so on "}],"role":"model"},"index":0}]}\r\n\r\n'
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                await reader.readexactly(int(value))
        writer.write(HEAD)
        while not reader.at_eof():
            writer.write(CHUNK)
            await writer.drain()
            await asyncio.sleep(1)
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(stream, "127.0.0.1", int(sys.argv[1]), backlog=4096, limit=64 * 1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
