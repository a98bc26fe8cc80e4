"""An exact number of requests, for measurements that count instead of clocking."""

import socket

from .load import Request


class UnexpectedAnswer(Exception):
    """An answer was broken off, or has another status than the first one promised."""


def send(port: int, request: Request, *, count: int, connections: int, status: int, ignore_first: int = 10) -> None:
    """Sends `count` requests over so many connections, one at a time on each, one round of all of them after the other.

    The first `ignore_first` answers may have another status: a miss before the hits, a call let through before the refusals.
    - Throws: `UnexpectedAnswer`.
    """
    message = (
        f"POST {request.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(request.body)}\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        + "\r\n"
    ).encode() + request.body
    opened = [socket.create_connection(("127.0.0.1", port), timeout=120) for _ in range(connections)]
    try:
        for sent in range(0, count, connections):
            round_of = opened[: min(connections, count - sent)]
            for connection in round_of:
                connection.sendall(message)
            for connection in round_of:
                seen = _read_answer(connection)
                if seen != status and sent >= ignore_first:
                    raise UnexpectedAnswer(f"answer {sent}: status {seen} in place of {status}")
    finally:
        for connection in opened:
            connection.close()


def _read_answer(connection: socket.socket) -> int:
    """The status of one answer that is read to its end."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _receive(connection)
    head = received[:end].lower()
    status = int(head[9:12])
    if b"\r\ntransfer-encoding: chunked" in head:
        while not received.endswith(b"0\r\n\r\n"):
            received += _receive(connection)
        return status
    at = head.index(b"\r\ncontent-length:") + len(b"\r\ncontent-length:")
    length = int(head[at:].split(b"\r\n", 1)[0])
    while len(received) < end + 4 + length:
        received += _receive(connection)
    return status


def _receive(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise UnexpectedAnswer("the connection was closed in the middle of an answer")
    return piece
