// SPDX-License-Identifier: Apache-2.0
// The event loop with all that keeps it busy: what it does in each step does not depend on when.
"use strict";
const { createHash } = require("crypto");
const { spawn } = require("child_process");
const fs = require("fs");
const http = require("http");
const readline = require("readline");
const { setTimeout: sleep } = require("timers/promises");
const { Worker } = require("worker_threads");

const digest = (text) => createHash("sha256").update(text).digest("hex").slice(0, 16);
const workerText = `
const { parentPort } = require("worker_threads");
parentPort.on("message", (n) => {
  let x = n + 1;
  for (let i = 0; i < 1000000; i++) x = (x * 16807) % 2147483647;
  parentPort.postMessage(x);
});`;

const get = (agent, port, path) =>
  new Promise((resolve, reject) => {
    http.get({ agent, port, path, host: "127.0.0.1" }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(text));
    }).on("error", reject);
  });

async function main() {
  const server = http.createServer((question, answer) => setTimeout(() => answer.end(digest(question.url)), 10));
  server.keepAliveTimeout = 600000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const workers = [0, 1].map(() => new Worker(workerText, { eval: true }));
  const ask = (worker, n) => new Promise((resolve) => (worker.once("message", resolve), worker.postMessage(n)));
  const child = spawn("sed", ["-u", "s/step/STEP/"], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const log = fs.createWriteStream("log");
  for (let step = 0; step < 45; step++) {
    child.stdin.write(`step ${step}\n`);
    const answers = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => get(agent, server.address().port, `/${step}/${i}`)));
    const numbers = await Promise.all(workers.map((worker, i) => ask(worker, 2 * step + i)));
    const line = `${(await lines.next()).value} ${digest(answers.join())} ${numbers}`;
    log.write(line + "\n");
    console.log(line);
    await sleep(200);
  }
  await new Promise((resolve) => log.end(resolve));
  child.stdin.end();
  await new Promise((resolve) => child.once("exit", (code) => (console.log("the child ended with", code), resolve())));
  await Promise.all(workers.map((worker) => worker.terminate()));
  agent.destroy();
  server.close();
  console.log(digest(await fs.promises.readFile("log")));
}

main();
