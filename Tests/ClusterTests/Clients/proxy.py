"""TCP links that can be cut as a network is cut: nothing is closed, nothing arrives, and what was sent arrives late.

proxy.py CONTROL LISTEN:TARGET…   (ports of 127.0.0.1; links are numbered from 0)
GET http://127.0.0.1:CONTROL/…
  hold/LINK      forwards nothing in either direction, not even an end; who connects now is never answered
  go/LINK        forwards what was held, in order, and goes on
  to/LINK/PORT   from now on leads to another port, and closes what is open
"""
import asyncio
import sys


class Link:
    def __init__(self, listen, target):
        self.listen, self.target = listen, target
        self.open = asyncio.Event()
        self.open.set()
        self.writers = set()

    async def accept(self, reader, writer):
        self.writers.add(writer)
        other = None
        try:
            if not self.open.is_set():
                # The other side never saw it.
                await self.open.wait()
                return
            there, other = await asyncio.open_connection("127.0.0.1", self.target)
            self.writers.add(other)
            await asyncio.gather(self.pump(reader, other), self.pump(there, writer))
        except OSError:
            pass
        finally:
            for one in (writer, other):
                if one:
                    self.writers.discard(one)
                    one.transport.abort()

    async def pump(self, reader, writer):
        try:
            while True:
                data = await reader.read(65536)
                await self.open.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            await self.open.wait()
        if not writer.transport.is_closing():
            writer.close()

    def lead_to(self, port):
        self.target = port
        for writer in list(self.writers):
            writer.transport.abort()


async def control(links, reader, writer):
    line = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
    word, number, *rest = line.strip("/").split("/")
    link = links[int(number)]
    if word == "hold":
        link.open.clear()
    elif word == "go":
        link.open.set()
    elif word == "to":
        link.lead_to(int(rest[0]))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def main():
    links = []
    for pair in sys.argv[2:]:
        listen, target = pair.split(":")
        link = Link(int(listen), int(target))
        links.append(link)
        await asyncio.start_server(link.accept, "127.0.0.1", link.listen)
    server = await asyncio.start_server(lambda r, w: control(links, r, w), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
