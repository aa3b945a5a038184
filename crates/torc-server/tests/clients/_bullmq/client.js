// Producers of BullMQ and what must come of their jobs: `client.js PORT FOLDER WHAT`. Workers run in processes of their own.
"use strict";

const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const { FlowProducer, Queue, QueueEvents } = require("bullmq");

const LIMIT_MS = 60_000;
const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const file = join(process.argv[3], "jobs");
const numbers = (count) => [...Array(count).keys()];

const until = async (condition, what) => {
  for (const end = Date.now() + LIMIT_MS; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`not ${await what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

// What workers have noted, in order.
function noted(kind) {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const notes = lines.map((line) => line.split(" "));
  return notes.filter(([what]) => what === kind).map(([, worker, job, time]) => ({ worker, job, time: Number(time) }));
}

async function startWorker(queue, name, options = {}, stuckAfter = Infinity) {
  const words = [join(__dirname, "worker.js"), connection.port, queue, name, file, JSON.stringify(options), stuckAfter];
  const worker = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
  await once(createInterface({ input: worker.stdout }), "line");
  return worker;
}

const startWorkers = (queue, count, options) =>
  Promise.all(numbers(count).map((number) => startWorker(queue, `worker${number}`, options)));

// Workers end when their standard input does, and must end well.
const stopWorkers = (workers) =>
  Promise.all(
    workers.map(async (worker) => {
      const ended = once(worker, "exit");
      worker.stdin.end();
      assert.deepEqual(await ended, [0, null]);
    }),
  );

// Each job has completed and nothing else is in the queue.
async function completed(queue, count) {
  const counts = () => queue.getJobCounts();
  const text = async () => `completed: ${JSON.stringify(await counts())} of ${count}`;
  await until(async () => (await counts()).completed + (await counts()).failed >= count, text);
  const { completed, ...others } = await counts();
  assert.equal(completed, count);
  assert.deepEqual(Object.entries(others).filter(([, number]) => number !== 0), []);
}

// These jobs, and each once.
function eachOnce(notes, jobs) {
  const got = notes.map(({ job }) => job).sort();
  assert.equal(got.length, jobs.length, "so many jobs ran");
  assert.deepEqual(got, [...jobs].sort());
}

// Several producers and several workers: at once, for later, and what fails at first.
async function jobs() {
  const [EACH, PRODUCERS, LATER, AGAIN] = [400, 3, 200, 100];
  const events = new QueueEvents("jobs", { connection });
  const heard = [];
  events.on("completed", ({ jobId, returnvalue }) => heard.push([jobId, Number(returnvalue)]));
  await events.waitUntilReady();
  const workers = await startWorkers("jobs", 3, { concurrency: 10 });
  const queues = numbers(PRODUCERS).map(() => new Queue("jobs", { connection }));
  const names = [];
  const due = new Map();
  const add = async (queue, producer) => {
    const job = (kind, number) => (names.push(`${kind}-${producer}-${number}`), names.at(-1));
    await queue.addBulk(numbers(EACH / 2).map((value) => ({ name: job("bulk", value), data: { value } })));
    for (let value = EACH / 2; value < EACH; value += 25) {
      await Promise.all(numbers(25).map((n) => queue.add(job("single", value + n), { value: value + n })));
    }
  };
  const addLater = async (number) => {
    const delay = 20 * (number % 50);
    due.set(`later-${number}`, Date.now() + delay);
    names.push(`later-${number}`);
    await queues[0].add(`later-${number}`, { value: 0 }, { delay });
  };
  const addAgain = (number) =>
    queues[1].add(`again-${number}`, { value: 0, fails: 2 }, { attempts: 3, backoff: { type: "exponential", delay: 20 } });
  await Promise.all([...queues.map(add), ...numbers(LATER).map(addLater), ...numbers(AGAIN).map(addAgain)]);
  const again = numbers(AGAIN).map((number) => `again-${number}`);
  const total = EACH * PRODUCERS + LATER + AGAIN;
  await completed(queues[0], total);
  eachOnce(noted("ends"), [...names, ...again]);
  eachOnce(noted("begins"), [...names, ...again, ...again, ...again]);
  assert.ok(noted("begins").every(({ job, time }) => !due.has(job) || time >= due.get(job)), "nothing runs too early");
  await until(() => heard.length >= total, () => `heard: ${heard.length} of ${total}`);
  assert.equal(new Set(heard.map(([id]) => id)).size, total, "each completes once");
  const sum = heard.reduce((sum, [, value]) => sum + value, 0);
  assert.equal(sum, (PRODUCERS * EACH * (EACH - 1)) / 2, "results");
  await stopWorkers(workers);
  await Promise.all([events, ...queues].map((it) => it.close()));
}

// The most urgent first (1 is), of the same urgency the older; what has none before all of them.
async function priorities() {
  const queue = new Queue("priorities", { connection });
  await queue.pause();
  const wanted = [];
  for (const number of numbers(300)) {
    const priority = number % 8;
    wanted.push([priority, number]);
    await queue.add(`${number}`, {}, { priority });
  }
  // One is made the most urgent, and one the last of all.
  const changed = await queue.getJobs(["prioritized"]);
  for (const [number, priority] of [[299, 1], [1, 9]]) {
    await changed.find(({ name }) => name === `${number}`).changePriority({ priority });
    wanted[number][0] = priority;
  }
  await queue.resume();
  const workers = await startWorkers("priorities", 1);
  await completed(queue, 300);
  const order = wanted.sort(([one, older], [other, newer]) => one - other || older - newer).map(([, number]) => `${number}`);
  assert.deepEqual(noted("begins").map(({ job }) => job), order);
  await stopWorkers(workers);
  await queue.close();
}

// A parent runs when its children have, and sees what they have returned.
async function flows() {
  const [FLOWS, CHILDREN] = [60, 5];
  const [flow, queue] = [new FlowProducer({ connection }), new Queue("flows", { connection })];
  const workers = await startWorkers("flows", 3, { concurrency: 10 });
  const names = [];
  const node = (name, value, children) => {
    names.push(name);
    const job = { name, queueName: "flows", data: { value, sums: children !== undefined } };
    return children ? { ...job, children } : job;
  };
  const tree = (number) =>
    node(`top-${number}`, 0, numbers(CHILDREN).map((child) =>
      node(`middle-${number}-${child}`, 0, numbers(CHILDREN).map((leaf) => node(`leaf-${number}-${child}-${leaf}`, number)))));
  const trees = await Promise.all(numbers(FLOWS).map((number) => flow.add(tree(number))));
  await completed(queue, FLOWS * (1 + CHILDREN + CHILDREN * CHILDREN));
  eachOnce(noted("ends"), names);
  for (const [number, { job }] of trees.entries()) {
    assert.equal((await queue.getJob(job.id)).returnvalue, number * CHILDREN * CHILDREN);
  }
  const at = new Map(noted("begins").map(({ job }, place) => [job, place]));
  assert.ok(names.every((name) => !name.startsWith("middle") || at.get(name) < at.get(`top-${name.split("-")[1]}`)), "children first");
  await stopWorkers(workers);
  await Promise.all([flow, queue].map((it) => it.close()));
}

// Schedulers of several clients at once make each job once, and as many as they may.
async function schedulers() {
  const [SCHEDULERS, TIMES] = [10, 15];
  const queues = numbers(3).map(() => new Queue("schedulers", { connection }));
  const workers = await startWorkers("schedulers", 2, { concurrency: 5 });
  const upsert = (queue, number) =>
    queue.upsertJobScheduler(`scheduler-${number}`, { every: 200, limit: TIMES }, { name: `tick-${number}` });
  await Promise.all(numbers(SCHEDULERS).map((number) => upsert(queues[number % queues.length], number)));
  assert.equal(await queues[0].getJobSchedulersCount(), SCHEDULERS);
  const forever = await queues[0].upsertJobScheduler("forever", { pattern: "* * * * * *" }, { name: "second" });
  assert.ok(forever);
  await until(() => noted("ends").filter(({ job }) => job === "second").length >= 2, () => "run each second");
  assert.ok(await queues[1].removeJobScheduler("forever"));
  const ticks = (number) => noted("ends").filter(({ job }) => job === `tick-${number}`).length;
  await until(() => numbers(SCHEDULERS).every((number) => ticks(number) >= TIMES), () => `run: ${numbers(SCHEDULERS).map(ticks)}`);
  await completed(queues[0], noted("begins").length);
  assert.deepEqual(numbers(SCHEDULERS).map(ticks), numbers(SCHEDULERS).map(() => TIMES));
  await stopWorkers(workers);
  await Promise.all(queues.map((it) => it.close()));
}

// All workers together begin no more jobs in a time than they may.
async function limits() {
  const [JOBS, MAX, MS] = [400, 50, 400];
  const queue = new Queue("limits", { connection });
  const workers = await startWorkers("limits", 3, { concurrency: 10, limiter: { max: MAX, duration: MS } });
  await queue.addBulk(numbers(JOBS).map((number) => ({ name: `${number}`, data: {} })));
  await completed(queue, JOBS);
  const begins = noted("begins");
  eachOnce(begins, numbers(JOBS).map(String));
  const took = begins.at(-1).time - begins[0].time;
  assert.ok(took >= (JOBS / MAX - 1) * MS - MS / 2, `${JOBS} jobs within ${took} ms`);
  await stopWorkers(workers);
  await queue.close();
}

// Jobs of a worker that is killed are taken up again by the others: each completes.
async function killed() {
  const [JOBS, AT_ONCE, BEFORE] = [1000, 10, 200];
  // By default a job counts as stalled after half a minute.
  const options = { concurrency: AT_ONCE, lockDuration: 3000, stalledInterval: 1000 };
  const queue = new Queue("killed", { connection });
  // One worker stops ending its jobs after so many, so that it surely holds some when it is killed.
  const stuck = startWorker("killed", "stuck", options, BEFORE);
  const workers = await Promise.all([stuck, ...(await startWorkers("killed", 2, options))]);
  await queue.addBulk(numbers(JOBS).map((number) => ({ name: `${number}`, data: { ms: 10, value: number } })));
  const ofStuck = (kind) => noted(kind).filter(({ worker }) => worker === "stuck").map(({ job }) => job);
  await until(() => ofStuck("begins").length === BEFORE + AT_ONCE, () => `stuck: ${ofStuck("begins").length}`);
  const ended = new Set(ofStuck("ends"));
  const held = ofStuck("begins").filter((job) => !ended.has(job));
  assert.equal(held.length, AT_ONCE);
  const gone = once(workers[0], "exit");
  workers[0].kill("SIGKILL");
  await gone;
  await completed(queue, JOBS);
  eachOnce(noted("ends"), numbers(JOBS).map(String));
  eachOnce(noted("begins"), [...numbers(JOBS).map(String), ...held]);
  for (const { name, returnvalue, stalledCounter } of await queue.getJobs(["completed"])) {
    assert.deepEqual([returnvalue, stalledCounter], [Number(name), held.includes(name) ? 1 : 0]);
  }
  await stopWorkers(workers.slice(1));
  await queue.close();
}

const all = { jobs, priorities, flows, schedulers, limits, killed };
all[process.argv[4]]().then(
  () => console.log("all done"),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
