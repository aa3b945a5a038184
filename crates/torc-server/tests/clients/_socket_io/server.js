// One of several servers of Socket.IO that share their rooms through Redis's publish/subscribe. Prints its port; what it is told on its
// standard input it says to the room.
"use strict";

const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

async function main(port) {
  const publisher = createClient({ url: `redis://127.0.0.1:${port}` });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(publisher, subscriber) });
  io.on("connection", (socket) => {
    socket.join("room");
    socket.on("say", (text) => io.to("room").emit("said", text));
    socket.on("count", async (reply) => reply((await io.in("room").fetchSockets()).length));
  });
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
  createInterface({ input: process.stdin }).on("close", () => process.exit(0));
}

main(process.argv[2]);
