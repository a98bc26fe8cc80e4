"""Sends calls in groups, each over a connection of its own, and prints when each began and ended.

load.py SPEC, a JSON list of groups:
  name, address, key, path, body ("{n}" becomes the call's number), fields (lines), and one of
  count: so many at once; with every (seconds): one after the other has begun
  workers, seconds: so many that call again as soon as they are answered, for so long
Each call names itself in x-request-id, NAME-n. Prints {"calls": [{group, id, began, ended, status, queued, text}]}: times
in microseconds of the machine's monotonic clock; status 0: no answer; queued: how long it waited for its slot, as
Server-Timing says; text: what the answer says that is no 200.
"""
import asyncio
import json
import re
import sys
import time
from urllib.parse import urlsplit

LONGEST = 120
groups = json.loads(sys.argv[1])
calls = []


def now():
    return time.monotonic_ns() // 1000


async def call(group, number):
    address = urlsplit(group["address"])
    identity = f"{group['name']}-{number}"
    body = group["body"].replace("{n}", str(number)).encode()
    lines = [
        f"POST {group['path']} HTTP/1.1",
        f"Host: {address.netloc}",
        "Connection: close",
        f"x-goog-api-key: {group['key']}",
        f"x-request-id: {identity}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ] + group.get("fields", [])
    began, status, queued, text, writer = now(), 0, 0, "", None
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), LONGEST)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if head:
            status = int(head.split(b" ", 2)[1])
            if timing := re.search(rb"queue;dur=([0-9.]+)", head):
                queued = int(float(timing[1]) * 1000)
        if status != 200:
            text = (head.replace(b"\r\n", b" | ") + b" || " + rest).decode(errors="replace")[:600]
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        text = repr(error)
    finally:
        if writer:
            writer.close()
    entry = {"group": group["name"], "id": identity, "began": began, "ended": now(), "status": status}
    calls.append(entry | {"queued": queued, "text": text})
    return status


async def batch(group):
    tasks = []
    for number in range(group["count"]):
        tasks.append(asyncio.create_task(call(group, number)))
        # The pace that the test asks for. Without one too, so that the groups take turns.
        await asyncio.sleep(group.get("every") or 0)
    await asyncio.gather(*tasks)


async def worker(group, first, step, until):
    number = first
    while time.monotonic() < until:
        # Who is refused at once does not hammer.
        if await call(group, number) != 200:
            await asyncio.sleep(0.05)
        number += step


async def run(group):
    if "count" in group:
        return await batch(group)
    until = time.monotonic() + group["seconds"]
    step = group["workers"]
    await asyncio.gather(*(worker(group, first, step, until) for first in range(step)))


async def main():
    await asyncio.gather(*(run(group) for group in groups))
    print(json.dumps({"calls": calls}))


asyncio.run(main())
