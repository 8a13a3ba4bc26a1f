// Talks to an echo server through the `ws` library. Prints a line for each check: `ok NAME` or `FAILED NAME: why`.
const assert = require("node:assert");
const crypto = require("node:crypto");
const WebSocket = require("ws");

const URL = process.argv[2];
const PATIENCE = 60_000;

// A promise of the next event, which gives up.
const event = (emitter, name) => new Promise((resolve, reject) => {
  const late = setTimeout(() => reject(new Error(`no ${name} came`)), PATIENCE);
  emitter.once(name, (...values) => { clearTimeout(late); resolve(values); });
});

async function opened() {
  const socket = new WebSocket(URL, { perMessageDeflate: false, maxPayload: 0 });
  socket.on("error", () => {});
  await event(socket, "open");
  socket._socket.setNoDelay(true);
  return socket;
}

// A frame by hand, for what the library would not send. The mask is four zeros, so the payload is what it was.
function frame(first, payload = Buffer.alloc(0), masked = true) {
  payload = Buffer.from(payload);
  const mask = masked ? 0x80 : 0;
  const length = payload.length < 126 ? [mask | payload.length] : [mask | 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(masked ? 4 : 0), payload]);
}

async function echoes(message) {
  const socket = await opened();
  socket.send(message);
  const [answer, isBinary] = await event(socket, "message");
  assert.equal(isBinary, typeof message !== "string");
  assert.ok(answer.equals(Buffer.from(message)), `${answer.length} bytes came back, or others`);
  socket.terminate();
}

async function lengths(make) {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000]) await echoes(make(length));
}

async function said(socket, text) {
  const [answer] = await event(socket, "message");
  assert.equal(answer.toString(), text);
}

async function fragments() {
  const socket = await opened();
  for (const piece of ["in ", "", "pieces ", "äöü𝄞"]) socket.send(piece, { fin: false });
  socket.send("", { fin: true });
  await said(socket, "in pieces äöü𝄞");
  socket.send(Buffer.alloc(70_000, 1), { fin: false });
  socket.send(Buffer.alloc(3, 2), { fin: true });
  const [answer] = await event(socket, "message");
  assert.ok(answer.equals(Buffer.concat([Buffer.alloc(70_000, 1), Buffer.alloc(3, 2)])));
  for (const [first, byte] of [[0x01, 0xf0], [0x00, 0x9d], [0x00, 0x84], [0x80, 0x9e]]) socket._socket.write(frame(first, [byte]));
  await said(socket, "𝄞");
  socket.terminate();
}

async function pings() {
  const socket = await opened();
  for (const payload of ["", "x", "y".repeat(125)]) {
    socket.ping(payload);
    const [answer] = await event(socket, "pong");
    assert.equal(answer.toString(), payload);
  }
  socket.pong("nobody asked");
  socket.send("after");
  await said(socket, "after");
  socket.terminate();
}

async function between() {
  const socket = await opened();
  for (const piece of ["one", "two", "three"]) {
    socket.send(piece, { fin: false });
    socket.ping(piece);
    // Answered before the message is whole.
    const [answer] = await event(socket, "pong");
    assert.equal(answer.toString(), piece);
  }
  socket.send("", { fin: true });
  await said(socket, "onetwothree");
  socket.terminate();
}

async function closes() {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]) {
    const socket = await opened();
    socket.close(code, "reason ä");
    const [answer] = await event(socket, "close");
    assert.equal(answer, code);
  }
}

async function closeWithoutCode() {
  const socket = await opened();
  socket.close();
  const [answer] = await event(socket, "close");
  assert.ok([1000, 1005].includes(answer), `answered with ${answer}`);
}

async function refused(bytes, code) {
  const socket = await opened();
  const answered = event(socket, "message").then(() => "an answer", () => "nothing");
  const closed = event(socket, "close").then(([answer]) => answer);
  socket._socket.write(bytes);
  assert.equal(await Promise.race([answered, closed]), code, `${bytes.subarray(0, 20).toString("latin1")}`);
}

async function tooLarge() {
  const socket = await opened();
  socket.send(Buffer.alloc((16 << 20) + 1));
  const [answer] = await event(socket, "close");
  assert.equal(answer, 1009);
}

async function invalidText() {
  for (const text of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x67, 0xfe], [0x67, 0xe2, 0x82]]) {
    await refused(frame(0x81, text), 1007);
  }
  await refused(Buffer.concat([frame(0x01, "good"), frame(0x80, [0xff])]), 1007);
}

async function breaches() {
  await refused(frame(0x81, "unmasked", false), 1002);
  await refused(frame(0x83, "reserved opcode"), 1002);
  await refused(frame(0x8b, "reserved control"), 1002);
  await refused(frame(0xc1, "reserved bit"), 1002);
  await refused(frame(0x80, "continues nothing"), 1002);
  await refused(Buffer.concat([frame(0x01, "begun"), frame(0x81, "and another")]), 1002);
  await refused(frame(0x09, "fragmented ping"), 1002);
  await refused(frame(0x89, "x".repeat(126)), 1002);
}

async function badCloses() {
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]) {
    await refused(frame(0x88, [code >> 8, code & 255]), 1002);
  }
  await refused(frame(0x88, [3]), 1002);
}

async function byteByByte() {
  const socket = await opened();
  const bytes = Buffer.concat([frame(0x81, "a byte at a time: ä𝄞"), frame(0x82, Buffer.alloc(200, 7))]);
  const answers = [];
  const both = new Promise(resolve => socket.on("message", answer => { if (answers.push(answer) === 2) resolve(); }));
  for (const byte of bytes) await new Promise(resolve => socket._socket.write(Buffer.from([byte]), resolve));
  await Promise.race([both, event(socket, "close").then(() => { throw new Error("closed"); })]);
  assert.equal(answers[0].toString(), "a byte at a time: ä𝄞");
  assert.ok(answers[1].equals(Buffer.alloc(200, 7)));
  socket.terminate();
}

const checks = {
  "texts of all lengths": () => lengths(length => "ä".repeat(length >> 1) + "x".repeat(length & 1)),
  "binaries of all lengths": () => lengths(length => crypto.randomBytes(length)),
  "16 MiB at once": () => echoes(crypto.randomBytes(16 << 20)),
  "a byte more than 16 MiB": tooLarge,
  "fragments": fragments,
  "pings": pings,
  "pings between fragments": between,
  "each close code": closes,
  "a close without code": closeWithoutCode,
  "close codes that must not be sent": badCloses,
  "invalid UTF-8": invalidText,
  "breaches of the protocol": breaches,
  "a byte at a time": byteByByte,
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check().then(() => console.log("ok", name), error => console.log(`FAILED ${name}: ${error.message.replaceAll("\n", " ")}`));
  }
  process.exit(0);
})();
