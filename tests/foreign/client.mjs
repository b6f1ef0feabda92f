// The life that README.md tells, on nats.js.

import { connect, headers } from "@nats-io/transport-node";
import assert from "node:assert/strict";

setTimeout(() => process.exit(3), 60_000).unref();

const nc = await connect({
  servers: process.argv[2], name: "node", maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0,
});
const next = async (subscription) => (await subscription.next()).value;
const iterate = (subscription) => subscription[Symbol.asyncIterator]();

const mail = iterate(nc.subscribe("day.*"));
const work = iterate(nc.subscribe("work", { queue: "workers" }));
const once = iterate(nc.subscribe("once", { max: 1 }));
nc.subscribe("ask", { callback: (_, message) => message.respond("answer") });

const good = headers();
good.set("Kind", "good");
nc.publish("day.one", "first", { headers: good });
const first = await next(mail);
assert.deepEqual([first.string(), first.headers.get("Kind")], ["first", "good"]);
nc.publish("work");
assert.equal((await next(work)).string(), "");
nc.publish("once", "1");
assert.equal((await next(once)).string(), "1");
assert.equal((await nc.request("ask", "?", { timeout: 5000 })).string(), "answer");
await assert.rejects(nc.request("nobody", "?", { timeout: 5000 }));
await nc.flush();

const reconnected = (async () => {
  for await (const status of nc.status()) {
    if (status.type === "reconnect") return;
  }
})();
console.log("cut");
await reconnected;
nc.publish("day.two", "second");
assert.equal((await next(mail)).string(), "second");
await nc.drain();
console.log("done");
