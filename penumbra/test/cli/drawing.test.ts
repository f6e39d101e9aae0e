import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rand } from "@penumbra/torch";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { provenanceOf } from "../../src/diffusion/index.ts";
import { encodePng } from "../../src/images/index.ts";

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-drawing-"));
  await encodePng(rand([3, 20, 30]), join(folder, "photo.png"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function penumbra(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const texts = { out: "", err: "" };
    child.stdout.on("data", (text) => (texts.out += text));
    child.stderr.on("data", (text) => (texts.err += text));
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

describe("penumbra imagine and redraw", () => {
  it("name the files that they drew, and each says how", async () => {
    const { code, out, err } = await penumbra(
      ...["imagine", "--prompt", "a photo of a relay", "-n", "2", "--steps", "1", "--out", "new"],
    );
    expect(err).toBe("");
    expect(code).toBe(0);
    const files = out.trim().split("\n");
    expect(files).toHaveLength(3);
    expect(files.at(-1)).toBe("new/sheet.png");
    const made = await provenanceOf(join(folder, files[1]!));
    expect(made).toMatchObject({ prompt: "a photo of a relay", seed: 1, steps: 1, model: "penumbra-mini" });
  });

  it("redraw a photo at several strengths by the sampler that is named", async () => {
    const { code, err } = await penumbra(
      ...["redraw", "-s", "0.5", "-s", "1", "-n", "1", "--steps", "2", "--sampler", "unipc", "photo.png"],
    );
    expect(err).toBe("");
    expect(code).toBe(0);
    const lines = (await readFile(join(folder, "redrawn", "manifest.jsonl"), "utf8")).trim().split("\n");
    const made = lines.map((line) => JSON.parse(line) as { redraw: object; sampler: object });
    expect(made.map(({ sampler }) => sampler)).toEqual([{ name: "unipc" }, { name: "unipc" }]);
    expect(made.map(({ redraw }) => redraw)).toMatchObject([
      { photo: "photo.png", strength: 0.5 },
      { photo: "photo.png", strength: 1 },
    ]);
  });

  it("say what is wrong with what they were told", async () => {
    const wrong = await penumbra("redraw", "-s", "1.5", "photo.png");
    expect(wrong.err).toMatch(/--strength.*0 … 1/s);
    const sampler = await penumbra("imagine", "-p", "x", "--sampler", "dream");
    expect(sampler.err).toMatch(/no sampler "dream".*unipc/);
    const masks = await penumbra("redraw", "-s", "0.5", "--keep", "object", "photo.png");
    expect(masks.err).toMatch(/--keep and --masks go together/);
    expect([wrong.code, sampler.code, masks.code]).toEqual([1, 1, 1]);
  });
});
