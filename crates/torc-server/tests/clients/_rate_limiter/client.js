// Many asks of rate-limiter-flexible at once, over ioredis and over node-redis: `client.js PORT`. Prints for each limiter how many were let through.
"use strict";

const Redis = require("ioredis");
const { createClient } = require("redis");
const { BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis } = require("rate-limiter-flexible");

const port = Number(process.argv[2]);
const ASKS = 400;

// How many of so many asks at once are let through; whatever else goes wrong ends the process.
async function through(limiter, key, asks = ASKS) {
  const refused = (reason) => {
    if (reason instanceof Error) throw reason;
    return false;
  };
  const answers = await Promise.all([...Array(asks)].map(() => limiter.consume(key).then(() => true, refused)));
  return answers.filter(Boolean).length;
}

async function main() {
  const [one, other] = [new Redis({ port, host: "127.0.0.1" }), createClient({ url: `redis://127.0.0.1:${port}` })];
  await other.connect();
  const result = {};
  for (const [name, storeClient] of [["ioredis", one], ["redis", other]]) {
    // With an hour no window ends meanwhile.
    const options = { storeClient, useRedisPackage: name === "redis", points: 500, duration: 3600, keyPrefix: `${name}:` };
    const limiter = new RateLimiterRedis(options);
    const burst = new RateLimiterRedis({ ...options, points: 100, keyPrefix: `${name}:burst:` });
    const bursty = new BurstyRateLimiter(new RateLimiterRedis({ ...options, keyPrefix: `${name}:bursty:` }), burst);
    for (const key of ["a", "b", "c"]) result[`${name} ${key}`] = await through(limiter, key);
    result[`${name} bursty`] = await through(bursty, "a");
    const queue = new RateLimiterQueue(new RateLimiterRedis({ ...options, points: 100, duration: 1, keyPrefix: `${name}:queue:` }));
    await Promise.all([...Array(100)].map(() => queue.removeTokens(1)));
    result[`${name} queue`] = 100;
  }
  console.log(JSON.stringify(result));
  one.disconnect();
  await other.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
