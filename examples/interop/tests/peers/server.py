"""An echo server by the `websockets` library, which also does what it is told: see `commands` in websocket_peers.rs."""
import logging

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

logging.disable()


def obey(socket, message):
    command, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
    if command == "close":
        socket.close(int(rest), "as told")
    elif command == "pieces":
        def pieces():
            for piece in ["one", "two", "three"]:
                assert socket.ping(piece.encode()).wait(10), "no pong"
                yield piece
        socket.send(pieces())
    elif command == "raw":
        socket.socket.sendall(bytes.fromhex(rest))
    elif command == "slowly":
        for byte in bytes.fromhex(rest):
            socket.socket.sendall(bytes([byte]))
    else:
        socket.send(message)


def handle(socket):
    try:
        for message in socket:
            obey(socket, message)
    except ConnectionClosed:
        pass


with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
    print("ready", server.socket.getsockname()[1], flush=True)
    server.serve_forever()
