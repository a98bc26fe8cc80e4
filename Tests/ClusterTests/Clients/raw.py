"""Sends bytes as they are and prints the status, the body, and whether the connection was closed."""
import json
import socket
import sys
from urllib.parse import urlsplit

address = urlsplit(sys.argv[1])
with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
    connection.sendall(sys.argv[2].encode())
    received = b""
    closed = False
    try:
        while True:
            part = connection.recv(65536)
            if not part:
                closed = True
                break
            received += part
    except TimeoutError:
        pass
head, _, body = received.partition(b"\r\n\r\n")
status = int(head.split(b" ", 2)[1]) if head else 0
print(json.dumps({"status": status, "closed": closed, "body": body.decode(errors="replace")}))
