"""Talks to an echo server through the `websockets` library. Prints a line for each check: `ok NAME` or `FAILED NAME: why`."""
import os
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

URL = sys.argv[1]
PATIENCE = 60


def opened():
    return connect(URL, compression=None, max_size=None, open_timeout=PATIENCE, close_timeout=PATIENCE)


def frame(first, payload=b"", masked=True):
    """A frame by hand, for what the library would not send. The mask is four zeros, so the payload is what it was."""
    mask = 0x80 if masked else 0
    length = bytes([mask | len(payload)]) if len(payload) < 126 else bytes([mask | 126]) + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + (bytes(4) if masked else b"") + payload


def echoes(message):
    with opened() as socket:
        socket.send(message)
        answer = socket.recv(PATIENCE)
        assert answer == message, f"{len(answer)} of {len(message)} came back, or others"


def lengths(make):
    for length in [0, 1, 125, 126, 127, 65535, 65536, 1000000]:
        echoes(make(length))


def fragments():
    with opened() as socket:
        socket.send(iter(["in ", "", "pieces ", "äöü𝄞", ""]))
        assert socket.recv(PATIENCE) == "in pieces äöü𝄞"
        socket.send(iter([b"\x00\xff", b"", os.urandom(0), b"x" * 70000]))
        assert socket.recv(PATIENCE) == b"\x00\xff" + b"x" * 70000
        # A character of four bytes, cut at each of them.
        socket.socket.sendall(frame(0x01, b"\xf0") + frame(0x00, b"\x9d") + frame(0x00, b"\x84") + frame(0x80, b"\x9e"))
        assert socket.recv(PATIENCE) == "𝄞"


def pings():
    with opened() as socket:
        for payload in [b"", b"x", bytes(range(125))]:
            assert socket.ping(payload).wait(PATIENCE), "no pong"
        socket.pong(b"nobody asked")
        socket.send("after")
        assert socket.recv(PATIENCE) == "after"


def between():
    with opened() as socket:
        pongs = []

        def pieces():
            for piece in ["one", "two", "three"]:
                pongs.append(socket.ping(piece.encode()))
                yield piece
                # Answered before the message is whole.
                assert pongs[-1].wait(PATIENCE), "no pong"

        socket.send(pieces())
        assert socket.recv(PATIENCE) == "onetwothree"
        assert len(pongs) == 3


def closes():
    codes = [1000, 1001, 1002, 1003, *range(1007, 1014), 3000, 3999, 4000, 4999]
    for code in codes:
        with opened() as socket:
            socket.close(code, "reason ä")
        received = socket.protocol.close_rcvd
        assert received is not None and received.code == code, f"{code} was answered with {received}"


def close_without_code():
    with opened() as socket:
        socket.socket.sendall(frame(0x88))
        try:
            socket.recv(PATIENCE)
        except ConnectionClosed as end:
            assert end.rcvd is not None and end.rcvd.code in (1000, 1005), end.rcvd


def refused(bytes_, code):
    with opened() as socket:
        socket.socket.sendall(bytes_)
        closed_with(socket, code, bytes_)


def closed_with(socket, code, sent):
    try:
        answer = socket.recv(PATIENCE)
        raise AssertionError(f"{sent[:20]} was answered with {answer[:20]!r}")
    except ConnectionClosed as end:
        assert end.rcvd is not None and end.rcvd.code == code, f"{sent[:20]} was refused with {end.rcvd}"


def too_large():
    with opened() as socket:
        message = bytes((16 << 20) + 1)
        try:
            socket.send(message)
        except ConnectionClosed:
            pass
        closed_with(socket, 1009, message)


def invalid_text():
    for text in [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"good, then \xfe", b"cut \xe2\x82"]:
        refused(frame(0x81, text), 1007)
    refused(frame(0x01, b"good") + frame(0x80, b"\xff"), 1007)


def breaches():
    refused(frame(0x81, b"unmasked", masked=False), 1002)
    refused(frame(0x83, b"reserved opcode"), 1002)
    refused(frame(0x8B, b"reserved control"), 1002)
    refused(frame(0xC1, b"reserved bit"), 1002)
    refused(frame(0x80, b"continues nothing"), 1002)
    refused(frame(0x01, b"begun") + frame(0x81, b"and another"), 1002)
    refused(frame(0x09, b"fragmented ping"), 1002)
    refused(frame(0x89, b"x" * 126), 1002)


def bad_closes():
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]:
        refused(frame(0x88, code.to_bytes(2, "big")), 1002)
    refused(frame(0x88, b"\x03"), 1002)


def byte_by_byte():
    with opened() as socket:
        for byte in frame(0x81, "a byte at a time: ä𝄞".encode()) + frame(0x82, bytes(range(200))):
            socket.socket.sendall(bytes([byte]))
        assert socket.recv(PATIENCE) == "a byte at a time: ä𝄞"
        assert socket.recv(PATIENCE) == bytes(range(200))


CHECKS = {
    "texts of all lengths": lambda: lengths(lambda length: ("ä" * (length // 2)) + "x" * (length % 2)),
    "binaries of all lengths": lambda: lengths(os.urandom),
    "16 MiB at once": lambda: echoes(os.urandom(16 << 20)),
    "a byte more than 16 MiB": too_large,
    "fragments": fragments,
    "pings": pings,
    "pings between fragments": between,
    "each close code": closes,
    "a close without code": close_without_code,
    "close codes that must not be sent": bad_closes,
    "invalid UTF-8": invalid_text,
    "breaches of the protocol": breaches,
    "a byte at a time": byte_by_byte,
}

for name, check in CHECKS.items():
    try:
        check()
        print("ok", name, flush=True)
    except Exception as error:
        print(f"FAILED {name}: {type(error).__name__} {error}", flush=True)
