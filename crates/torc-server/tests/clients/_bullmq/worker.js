// A process with one worker of BullMQ: `worker.js PORT QUEUE NAME FILE OPTIONS STUCK-AFTER`. Notes in the file which jobs it begins and ends.
"use strict";

const { appendFileSync } = require("node:fs");
const { Worker } = require("bullmq");

const [port, queue, name, file, options, stuckAfter] = process.argv.slice(2);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// A short write at the end of a file is never mixed with another process's.
const note = (what, job) => appendFileSync(file, `${what} ${name} ${job.name} ${Date.now()}\n`);

let begun = 0;

async function work(job) {
  note("begins", job);
  if (++begun > Number(stuckAfter)) await new Promise(() => {});
  if (job.data.ms) await pause(job.data.ms);
  if (job.data.fails > job.attemptsMade) throw new Error("it is to fail");
  const children = Object.values(await (job.data.sums ? job.getChildrenValues() : {}));
  note("ends", job);
  return children.reduce((sum, value) => sum + value, job.data.value ?? 0);
}

const worker = new Worker(queue, work, { connection: { host: "127.0.0.1", port: Number(port) }, ...JSON.parse(options) });
worker.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
worker.waitUntilReady().then(() => console.log("ready"));
process.stdin.on("end", () => worker.close().then(() => process.exit(0))).resume();
