"""Sends many requests at once over connections of their own, spread over addresses, and prints what came back.

burst.py COUNT KEY PATH BODY ADDRESS…   (BODY empty: GET; "{n}" in it becomes the number of the request)
Prints {"statuses": {status: count}, "seconds": how long all took, "bodies": distinct answers of status 200}.
"""
import asyncio
import collections
import json
import sys
import time
from urllib.parse import urlsplit

count, key, path, body = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
addresses = [urlsplit(address) for address in sys.argv[5:]]
limit = 600


async def connect(number):
    address = addresses[number % len(addresses)]
    return await asyncio.open_connection(address.hostname, address.port)


async def exchange(number, pair):
    reader, writer = pair
    data = body.replace("{n}", str(number)).encode()
    lines = [f"{'POST' if data else 'GET'} {path.replace('{n}', str(number))} HTTP/1.1", "Host: test", "Connection: close"]
    if key:
        lines.append(f"x-goog-api-key: {key}")
    if data:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    answer = await asyncio.wait_for(reader.read(), limit)
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]) if head else 0, rest


async def main():
    pairs = await asyncio.gather(*(connect(number) for number in range(count)))
    started = time.monotonic()
    answers = await asyncio.gather(*(exchange(number, pair) for number, pair in enumerate(pairs)))
    statuses = collections.Counter(str(status) for status, _ in answers)
    bodies = len({rest for status, rest in answers if status == 200})
    print(json.dumps({"statuses": statuses, "seconds": time.monotonic() - started, "bodies": bodies}))


asyncio.run(main())
