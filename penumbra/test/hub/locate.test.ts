import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hubSettings, type LocateRequest, locate, parseHubName } from "../../src/hub/index.ts";
import { COMMIT, HubServer } from "./hub-server.ts";

const weights = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const config = Buffer.from('{"architecture":"resnet18"}');

let folder = "";
let endpoint = "";
let server: HubServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-hub-"));
  server = new HubServer();
  endpoint = await server.start();
  server.behaviour.files = {
    "config.json": config,
    "model.safetensors": weights,
    "README.md": Buffer.from("no"),
  };
  server.behaviour.large = (path) => path === "model.safetensors";
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const environment = () => ({ HF_ENDPOINT: endpoint, HF_HOME: folder });
const find = (name: string, options: Partial<LocateRequest> = {}, more: Record<string, string> = {}) =>
  locate(name, {
    base: folder,
    settings: hubSettings({ ...environment(), ...more }),
    choose: (files) => files.map(({ path }) => path).filter((path) => path !== "README.md"),
    waitMs: 1,
    tries: 3,
    ...options,
  });
const cache = (...parts: string[]) => join(folder, "hub", "models--someone--model", ...parts);
const contents = () => server.requests.filter((line) => line.includes("/resolve/"));

describe("a name on the hub", () => {
  test("is downloaded into the layout that Python's cache has, and only once", async () => {
    const notes: string[] = [];
    const found = await find("hf:someone/model", { onNote: (note) => notes.push(note) });
    expect(found).toBe(cache("snapshots", COMMIT));
    expect(await readFile(join(found, "model.safetensors"))).toEqual(weights);
    expect(await readFile(cache("refs", "main"), "utf8")).toBe(COMMIT);
    const sha256 = createHash("sha256").update(weights).digest("hex");
    expect(await readlink(join(found, "model.safetensors"))).toBe(join("..", "..", "blobs", sha256));
    expect((await readdir(found)).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(notes).toEqual([expect.stringMatching(/0\.00503 MB in 2 files to download to .*hub/)]);
    const asked = contents().length;
    await find("hf:someone/model");
    expect(contents().length).toBe(asked);
  });

  test("a download that breaks goes on where it was, within a run and in the next one", async () => {
    server.behaviour.cuts = [2000, 1500];
    const only = { choose: () => ["model.safetensors"] };
    const found = await find("hf:someone/model", only);
    expect(await readFile(join(found, "model.safetensors"))).toEqual(weights);
    const ranges = contents().map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1] ?? 0));
    expect(ranges[0]).toBe(0);
    expect(ranges.length).toBe(3);
    expect(ranges[1]).toBeGreaterThan(0);
    expect(ranges[2]).toBeGreaterThan(ranges[1]!);

    await rm(cache(), { recursive: true });
    server.behaviour.cuts = [2000, 0, 0, 0];
    await expect(find("hf:someone/model", only)).rejects.toThrow(
      /did not arrive: .*MB are there. Run it again/,
    );
    expect(existsSync(cache("refs"))).toBe(false);
    server.requests.length = 0;
    await find("hf:someone/model", only);
    expect(contents()).toEqual([expect.stringMatching(/bytes=[1-9]\d*-4999$/)]);
  });

  test("a server without ranges sends all again, and nothing is doubled", async () => {
    server.behaviour.cuts = [2000];
    server.behaviour.hasRanges = false;
    const found = await find("hf:someone/model", { choose: () => ["model.safetensors"] });
    expect(await readFile(join(found, "model.safetensors"))).toEqual(weights);
  });

  test("contents that are not what was announced are thrown away", async () => {
    server.behaviour.isDamaged = true;
    for (const path of ["model.safetensors", "config.json"])
      await expect(find("hf:someone/model", { choose: () => [path] })).rejects.toThrow(
        new RegExp(`${path} is not what the hub announced`),
      );
    expect(await readdir(cache("blobs"))).toEqual([]);
  });

  test("offline, the cache alone is used; without a connection too, and it is said", async () => {
    await expect(find("hf:someone/model", {}, { HF_HUB_OFFLINE: "1" })).rejects.toThrow(
      /not in the cache.*HF_HUB_OFFLINE/,
    );
    expect(server.requests).toEqual([]);
    const found = await find("hf:someone/model");
    server.requests.length = 0;
    expect(await find("hf:someone/model", {}, { HF_HUB_OFFLINE: "1" })).toBe(found);
    expect(server.requests).toEqual([]);
    await server.stop();
    const notes: string[] = [];
    expect(await find("hf:someone/model", { onNote: (note) => notes.push(note) })).toBe(found);
    expect(notes[0]).toMatch(/cannot be reached .*; the copy of 0123456789ab in the cache is used/);
    await expect(find("hf:someone/other")).rejects.toThrow(/cannot be downloaded: .*no copy in the cache/);
  });

  test("a token opens what is private, from the environment or from where huggingface_hub keeps it", async () => {
    server.behaviour.token = "hf_secret";
    await expect(find("hf:someone/model")).rejects.toThrow(/not on the hub, or is private \(401\).*HF_TOKEN/);
    await expect(find("hf:someone/model", {}, { HF_TOKEN: "hf_wrong" })).rejects.toThrow(/refuses the token/);
    expect(await find("hf:someone/model", {}, { HF_TOKEN: "hf_secret" })).toBe(cache("snapshots", COMMIT));
    await rm(cache(), { recursive: true });
    await writeFile(join(folder, "token"), "hf_secret\n");
    expect(await find("hf:someone/model")).toBe(cache("snapshots", COMMIT));
  });

  test("what the hub refuses is told with what to do", async () => {
    await expect(find("hf:someone/none")).rejects.toThrow(/someone\/none is not on the hub \(404/);
    await expect(find("hf:someone/model@v9")).rejects.toThrow(/has no revision "v9"/);
    await expect(find("hf:someone/model/vae")).rejects.toThrow(/has no "vae". It has config.json/);
    server.behaviour.isGated = true;
    await expect(find("hf:someone/model")).rejects.toThrow(/gated: its terms .*someone\/model/);
    await expect(find("hf:nobody")).rejects.toThrow(/Write hf:owner\/name/);
    expect(() => parseHubName("hf:a/b/../../c")).toThrow(/no name on the Hugging Face hub/);
  });

  test("a busy hub is asked again", async () => {
    server.behaviour.failing = [503, 429];
    expect(await find("hf:someone/model")).toBe(cache("snapshots", COMMIT));
    server.behaviour.failing = [500, 500, 500];
    await expect(find("hf:someone/model@v1")).rejects.toThrow(/answers 500, and there is no copy/);
  });

  test("one file, a folder and a revision can be named", async () => {
    server.behaviour.files["vae/config.json"] = Buffer.from("{}");
    expect(await find("hf:someone/model@v1/vae/config.json")).toBe(
      cache("snapshots", COMMIT, "vae", "config.json"),
    );
    expect(await readFile(cache("refs", "v1"), "utf8")).toBe(COMMIT);
    expect(await find("hf:someone/model/vae")).toBe(cache("snapshots", COMMIT, "vae"));
    expect(await find("somewhere/else")).toBe(join(folder, "somewhere", "else"));
  });
});

test("the settings are huggingface_hub's", () => {
  expect(hubSettings({ HF_HOME: "/h" }).cacheFolder).toBe(join("/h", "hub"));
  expect(hubSettings({ HF_HOME: "/h", HF_HUB_CACHE: "/c" }).cacheFolder).toBe("/c");
  expect(hubSettings({ XDG_CACHE_HOME: "/x" }).cacheFolder).toBe(join("/x", "huggingface", "hub"));
  expect(hubSettings({ HF_HOME: "/h", HF_HUB_OFFLINE: "true" }).isOffline).toBe(true);
  expect(hubSettings({ HF_HOME: "/h", HF_ENDPOINT: "https://mirror/" }).endpoint).toBe("https://mirror");
});
