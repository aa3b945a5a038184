// Clients of two servers of Socket.IO in one room: each hears all that any of them says, in the order of who says it, and nothing twice.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { createInterface } = require("node:readline");
const { join } = require("node:path");
const { io } = require("socket.io-client");

const CLIENTS = 6;
const MESSAGES = 300;

function startServer(port) {
  const server = spawn(process.execPath, [join(__dirname, "server.js"), port], { stdio: ["pipe", "pipe", "inherit"] });
  return once(createInterface({ input: server.stdout }), "line").then(([line]) => ({ server, port: line }));
}

const until = async (condition, what) => {
  for (const end = Date.now() + 30_000; !condition(); ) {
    if (Date.now() > end) throw new Error(`not ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

async function main(port) {
  const servers = await Promise.all([startServer(port), startServer(port)]);
  const clients = [...Array(CLIENTS).keys()].map((number) => {
    const socket = io(`http://127.0.0.1:${servers[number % 2].port}`, { transports: ["websocket"] });
    const heard = [];
    socket.on("said", (text) => heard.push(text));
    return { socket, heard };
  });
  await Promise.all(clients.map(({ socket }) => once(socket, "connect")));
  const counts = await Promise.all(clients.map(({ socket }) => new Promise((resolve) => socket.emit("count", resolve))));
  if (counts.some((count) => count !== CLIENTS)) throw new Error(`servers know of ${counts} clients`);
  for (let message = 0; message < MESSAGES; message++) {
    clients.forEach(({ socket }, number) => socket.emit("say", `${number} ${message}`));
  }
  await until(() => clients.every(({ heard }) => heard.length >= CLIENTS * MESSAGES), "everything is heard");
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const { heard } of clients) {
    if (heard.length !== CLIENTS * MESSAGES) throw new Error(`${heard.length} messages instead of ${CLIENTS * MESSAGES}`);
    for (let number = 0; number < CLIENTS; number++) {
      const of = heard.filter((text) => text.startsWith(`${number} `));
      if (of.some((text, message) => text !== `${number} ${message}`)) throw new Error(`the order of ${number}`);
    }
  }
  clients.forEach(({ socket }) => socket.close());
  servers.forEach(({ server }) => server.stdin.end());
  console.log("all heard everything");
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
