// `node --import tsx --conditions=source bench/serve-load.ts [--clients 100] [--seconds 60 | --requests 20000]`: the service
// as a process of its own, asked by one client and then by many at once: requests that failed or got no answer, p50 and
// p99, processor time and memory (eight looks over the time). Ends with 1 where a request failed. docs/serving.md has
// what came out.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeServed } from "./serving.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "100" },
    seconds: { type: "string", default: "60" },
    requests: { type: "string", default: "Infinity" },
  },
});
const [clients, seconds, requests] = [values.clients, values.seconds, values.requests].map(Number) as [
  number,
  number,
  number,
];
const LOOKS = 8;
const { model, files, remove } = await makeServed();
const bodies = await Promise.all(files.map(async (file) => new Uint8Array(await readFile(file))));
const bin = fileURLToPath(new URL("../penumbra/bin/penumbra.js", import.meta.url));
const service = spawn(process.execPath, [bin, "serve", model, "--port", "0", "--timeout-ms", "60000"], {
  stdio: ["ignore", "pipe", "inherit"],
});
let answered = 0;
let tell: (url: string) => void = () => {};
const listening = new Promise<string>((resolve) => {
  tell = resolve;
});
createInterface({ input: service.stdout }).on("line", (line) => {
  const { event, url, path } = JSON.parse(line) as { event: string; url?: string; path?: string };
  if (event === "listening") tell(url!);
  if (event === "request" && path === "/predict") answered++;
});

/** Resident memory in MiB and processor time in seconds of the service so far. */
async function spent() {
  const [status, stat] = await Promise.all(
    ["status", "stat"].map((name) => readFile(`/proc/${service.pid}/${name}`, "utf8")),
  );
  const ticks = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ");
  return {
    memory: Number(/VmRSS:\s+(\d+)/.exec(status!)![1]) / 1024,
    seconds: (Number(ticks[11]) + Number(ticks[12])) / 100,
  };
}

/** So many clients, each with one request after the other, for so long or for so many requests. */
async function load(
  url: string,
  clients: number,
  { seconds, requests }: { seconds: number; requests: number },
) {
  const before = await spent();
  const times: number[] = [];
  const failures = new Map<string, number>();
  const memory: number[] = [];
  let sent = 0;
  const begin = performance.now();
  const done = () => Math.max((performance.now() - begin) / (1000 * seconds), sent / requests);
  const client = async () => {
    while (done() < 1) {
      if (done() * LOOKS > memory.length) {
        memory.push(0); // taken: the others go on
        memory[memory.length - 1] = (await spent()).memory;
      }
      const startedAt = performance.now();
      const body = bodies[sent++ % bodies.length]!;
      const why = await fetch(`${url}/predict`, {
        method: "POST",
        body,
        headers: { "content-type": "image/jpeg" },
      })
        .then(async (answer) => {
          await answer.json();
          return answer.status === 200 ? undefined : String(answer.status);
        })
        .catch(
          ({ message, cause }: Error) => `${message} (${(cause as NodeJS.ErrnoException | undefined)?.code})`,
        );
      if (why === undefined) times.push(performance.now() - startedAt);
      else failures.set(why, 1 + (failures.get(why) ?? 0));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const took = (performance.now() - begin) / 1000;
  const after = await spent();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))]!.toFixed(0);
  const cost = (1000 * (after.seconds - before.seconds)) / sent;
  const failed = [...failures].map(([why, count]) => `${count} x ${why}`).join(", ") || "0";
  process.stdout.write(
    `| ${clients} | ${sent} | ${failed} | ${(sent / took).toFixed(0)} | ${at(0.5)} | ${at(0.99)} | ${cost.toFixed(1)} | ${[...memory, after.memory].map((value) => value.toFixed(0)).join(" ")} |\n`,
  );
  return { sent, isSound: failures.size === 0 && times.length === sent };
}

try {
  const url = await listening;
  process.stdout.write(
    "| clients | requests | failed | a second | p50 ms | p99 ms | processor ms each | MiB |\n|---|---|---|---|---|---|---|---|\n",
  );
  const one = await load(url, 1, { seconds: 10, requests: 500 });
  const many = await load(
    url,
    clients,
    Number.isFinite(requests) ? { seconds: Number.POSITIVE_INFINITY, requests } : { seconds, requests },
  );
  service.kill("SIGTERM");
  const [code] = await once(service, "exit");
  const sent = one.sent + many.sent;
  process.stdout.write(`\nThe service's log has ${answered} of ${sent} requests; it ended with ${code}.\n`);
  if (!one.isSound || !many.isSound || answered !== sent || code !== 0) process.exitCode = 1;
} finally {
  service.kill("SIGKILL");
  remove();
}
