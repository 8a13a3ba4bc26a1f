// An echo server by the `ws` library, which also does what it is told: see `commands` in websocket_peers.rs.
const { WebSocketServer } = require("ws");

const once = (emitter, name) => new Promise(resolve => emitter.once(name, resolve));

async function obey(socket, message, isBinary) {
  const [command, rest] = isBinary ? [""] : message.toString().split(" ", 2);
  if (command === "close") {
    socket.close(Number(rest), "as told");
  } else if (command === "pieces") {
    for (const piece of ["one", "two", "three"]) {
      socket.ping(piece);
      await once(socket, "pong");
      socket.send(piece, { fin: false });
    }
    socket.send("", { fin: true });
  } else if (command === "raw") {
    socket._socket.write(Buffer.from(rest, "hex"));
  } else if (command === "slowly") {
    for (const byte of Buffer.from(rest, "hex")) {
      await new Promise(resolve => socket._socket.write(Buffer.from([byte]), resolve));
    }
  } else {
    socket.send(message, { binary: isBinary });
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, maxPayload: 0 });
server.on("connection", socket => {
  socket._socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("message", (message, isBinary) => obey(socket, message, isBinary));
});
server.on("listening", () => console.log("ready", server.address().port));
