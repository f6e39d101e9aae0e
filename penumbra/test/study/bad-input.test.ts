import { existsSync } from "node:fs";
import { mkdir, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeTinyStudy, runTinyStudy, tinySettings, writeSettings } from "./tiny-study.ts";

describe("a study of bad input", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await makeTinyStudy();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The message that the study fails with, having written nothing. */
  async function refusal(): Promise<string> {
    const before = await readdir(folder);
    const message = await runTinyStudy(folder).then(
      () => "The study ran.",
      (error: Error) => error.message,
    );
    expect((await readdir(folder)).sort()).toEqual(before.sort());
    return message;
  }

  it("that is an empty folder says how photos are laid out", async () => {
    await rm(join(folder, "photos"), { recursive: true });
    await mkdir(join(folder, "photos"));
    expect(await refusal()).toMatch(
      /holds no readable photo of any class.*Put photos there as class\/photo\.jpg/,
    );
  });

  it("that is no folder at all says which one was looked for", async () => {
    await rm(join(folder, "photos"), { recursive: true });
    expect(await refusal()).toContain(join(folder, "photos"));
  });

  it("that has one class asks for another", async () => {
    await rm(join(folder, "photos", "known", "part-1"), { recursive: true });
    await rm(join(folder, "photos", "known", "part-2"), { recursive: true });
    expect(await refusal()).toMatch(
      /only one known class \("part-0"\).*Add a folder of photos for another class/,
    );
  });

  it("that has one object in a class names the class and what it lacks", async () => {
    for (const object of ["1", "2", "3", "4"]) {
      await rm(join(folder, "photos", "known", "part-1", object), { recursive: true });
    }
    expect(await refusal()).toMatch(/Too few objects: "part-1" has 1;.*needs 5.*Add photos of more objects/);
  });

  it("that has a corrupt photo goes on without it and says so", async () => {
    const photo = join(folder, "photos", "known", "part-0", "0", "0.png");
    await truncate(photo, 60);
    await writeSettings(folder, { ...tinySettings, arms: ["supcon"], seeds: [0] });
    const { outcome } = await runTinyStudy(folder);
    expect(outcome.photos.problems).toEqual([
      expect.stringMatching(/known\/part-0\/0\/0\.png.*cannot be read/),
    ]);
  });

  it("that names a missing model says where it was looked for and what to set", async () => {
    await writeSettings(folder, { ...tinySettings, model: "no-model" });
    expect(await refusal()).toMatch(
      /no-model is not there: .*no-model does not exist\. Set "model" to a folder/,
    );
  });

  it("that names a folder which is no model says what it lacks", async () => {
    await rm(join(folder, "model", "unet"), { recursive: true });
    expect(await refusal()).toMatch(/model lacks unet\. Set "model"/);
  });

  it("that has truncated weights names the file and says to copy it again", async () => {
    await truncate(join(folder, "model", "unet", "diffusion_pytorch_model.safetensors"), 5000);
    expect(await refusal()).toMatch(
      /is damaged.*diffusion_pytorch_model\.safetensors.*Copy or download the model again/s,
    );
  });

  it("that has weights which are no safetensors file says so", async () => {
    await writeFile(
      join(folder, "model", "vae", "diffusion_pytorch_model.safetensors"),
      "<html>Not found</html>",
    );
    expect(await refusal()).toMatch(/is damaged.*Copy or download the model again/s);
  });

  it("that asks for a device which is not there says what is", async () => {
    await writeSettings(folder, { ...tinySettings, device: "cuda:7" });
    expect(await refusal()).toMatch(/The device cuda:7 is not there:.*Set "device" to cpu or auto/);
  });

  it("that asks for more neighbours than there are photos names the setting", async () => {
    await writeSettings(folder, { ...tinySettings, detectors: ["knn"], tuning: { knn: { k: [500, 90] } } });
    expect(await refusal()).toMatch(
      /study\.\w+: tuning\.knn: No candidate.*\(500, 90\) can be tried with \d+ training images.*Add a smaller one/,
    );
  });

  it("that gives a role to a class which does not exist lists the classes", async () => {
    await writeSettings(folder, { ...tinySettings, roles: { near: ["bolt-*"] } });
    expect(await refusal()).toMatch(/roles\.near: "bolt-\*" fits no class.*part-0/);
  });

  it("that fails in the middle leaves no results and no half artifacts", async () => {
    await writeSettings(folder, { ...tinySettings, words: { steps: 2, batchSize: 1, initToken: "" } });
    await expect(runTinyStudy(folder)).rejects.toThrow(/initToken/);
    expect(existsSync(join(folder, "run", "results.jsonl"))).toBe(false);
    expect(existsSync(join(folder, "run", "study.lock"))).toBe(false);
  });
});
