import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { launch, parseLaunch } from "../../src/distributed/launch.ts";

const folder = mkdtempSync(join(tmpdir(), "penumbra-launch-"));
afterAll(() => rmSync(folder, { recursive: true }));

function script(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

async function run(processes: number, path: string, args: string[] = []) {
  const lines: string[] = [];
  const started = performance.now();
  const code = await launch(
    { processes, script: path, args, nodeOptions: [] },
    (line) => void lines.push(line),
  );
  return { code, lines, elapsedMs: performance.now() - started };
}

describe("launching a script in several processes", () => {
  test("gives each process torchrun's variables and the script's arguments", async () => {
    const write = script(
      "write.mjs",
      `import { writeFileSync } from "node:fs";
       const names = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"];
       const values = Object.fromEntries(names.map((name) => [name, process.env[name]]));
       writeFileSync(process.argv[2] + process.env.RANK, JSON.stringify({ ...values, rest: process.argv.slice(3) }));`,
    );
    expect(await run(2, write, [join(folder, "out"), "--nproc", "x"])).toMatchObject({ code: 0, lines: [] });
    const { readFileSync } = await import("node:fs");
    const [first, second] = [0, 1].map((rank) =>
      JSON.parse(readFileSync(join(folder, `out${rank}`), "utf8")),
    );
    expect(first).toMatchObject({
      ...{ RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1" },
      rest: ["--nproc", "x"],
    });
    expect(second).toEqual({ ...first, RANK: "1", LOCAL_RANK: "1" });
    expect(Number(first.MASTER_PORT)).toBeGreaterThan(0);
  });

  test("ends the others when one is killed, and says which", async () => {
    const kill = script(
      "kill.mjs",
      `if (process.env.RANK === "1") process.kill(process.pid, "SIGKILL");
       setInterval(() => {}, 1000);`,
    );
    const { code, lines, elapsedMs } = await run(3, kill);
    expect(code).toBe(128 + 9);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^Rank 1 \(process \d+\) was ended by SIGKILL\. The other ranks are being ended\.$/,
    );
    expect(elapsedMs).toBeLessThan(5_000); // none waited for the harder signal
  });

  test("returns the exit code of the first that fails", async () => {
    const fail = script(
      "fail.mjs",
      `if (process.env.RANK === "0") process.exit(7); setInterval(() => {}, 1000);`,
    );
    const { code, lines } = await run(2, fail);
    expect(code).toBe(7);
    expect(lines[0]).toMatch(/^Rank 0 \(process \d+\) ended with exit code 7\./);
  });

  test("reads torchrun's arguments up to the script, and refuses what it does not know", () => {
    const path = script("any.mjs", "");
    expect(parseLaunch(["--nproc", "2", path, "--nproc", "3", "-v"])).toEqual({
      ...{ processes: 2, script: path, args: ["--nproc", "3", "-v"], machines: 1, machine: 0 },
    });
    expect(
      parseLaunch(["--nproc=4", "--nnodes=2", "--node-rank=1", "--master-addr=a", "--master-port=5", path]),
    ).toEqual({
      ...{ processes: 4, script: path, args: [], machines: 2, machine: 1, masterAddress: "a", masterPort: 5 },
    });
    expect(() => parseLaunch(["--nproc", "2"])).toThrow(/no script was named/);
    expect(() => parseLaunch(["missing.js"])).toThrow(/there is no file "missing\.js"/);
    expect(() => parseLaunch(["--nproc", "0", path])).toThrow(
      /--nproc is "0"; it must be a whole number from 1 to 1024/,
    );
    expect(() => parseLaunch(["--procs", "2", path])).toThrow(/there is no option "procs"/);
    expect(() => parseLaunch(["--nnodes", "2", path])).toThrow(/several machines need --master-addr/);
  });
});
