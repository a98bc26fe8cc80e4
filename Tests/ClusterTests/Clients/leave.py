"""A caller that closes its connection while it waits: how long until Redis holds it no more, again and again.

leave.py ADDRESS KEY PATH BODY REDIS_PORT TIMES
Nobody else may wait. Prints {"milliseconds": [from the close until it was gone, …]}.
"""
import json
import socket
import sys
import time
from urllib.parse import urlsplit

address, key, path, body, port, times = urlsplit(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5]), int(sys.argv[6])
SCRIPT = """
local sum, replicas = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #replicas, 2 do sum = sum + cmsgpack.unpack(replicas[i + 1]).waiting end
return sum
"""
redis = socket.create_connection(("127.0.0.1", port))
replies = redis.makefile("rb")


def command(*words):
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        parts.append(f"${len(word.encode())}\r\n{word}\r\n".encode())
    redis.sendall(b"".join(parts))
    return reply()


def reply():
    line = replies.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [reply() for _ in range(int(rest))]
    if kind == b":":
        return int(rest)
    raise SystemExit(f"redis: {line!r}")


queue = next(name for name in command("KEYS", "gw:{q*:gemini}:R"))
load = command("SCRIPT", "LOAD", SCRIPT)


def wait_for(count):
    deadline = time.monotonic() + 10
    while command("EVALSHA", load, "1", queue) != count:
        if time.monotonic() > deadline:
            raise SystemExit(f"there are never {count} waiters")


milliseconds = []
for _ in range(times):
    caller = socket.create_connection((address.hostname, address.port))
    head = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", f"x-goog-api-key: {key}",
            "Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    caller.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body.encode())
    wait_for(1)
    began = time.monotonic()
    caller.close()
    wait_for(0)
    milliseconds.append((time.monotonic() - began) * 1000)
print(json.dumps({"milliseconds": milliseconds}))
