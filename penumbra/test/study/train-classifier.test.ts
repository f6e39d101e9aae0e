import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanPhotos, splitByObject, splitForUse } from "../../src/data/index.ts";
import {
  loadClassifier,
  readClassifierInfo,
  readProvenance,
  readUsedPhotos,
} from "../../src/deploy/index.ts";
import {
  chooseArm,
  classifierStageCount,
  loadConfig,
  planStudy,
  runStudy,
  type StageEvent,
  scanForUse,
  trainClassifier,
} from "../../src/study/index.ts";
import { makeTinyStudy, tinySettings } from "./tiny-study.ts";

let folder = "";
const settings = {
  ...{ ...tinySettings, seeds: [0], arms: ["supcon", "supcon+both"], detectors: ["msp", "knn"] },
  split: { ...tinySettings.split, shots: [1, 2] }, // it takes the words and images of the most
};

beforeAll(async () => {
  folder = await makeTinyStudy(settings, { known: 2, near: 2, far: 1, objects: 5, views: 2 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const planned = async () => planStudy(await loadConfig(join(folder, "study.yaml")), join(folder, "run"));
const out = (name: string) => join(folder, "models", name);

describe("the split for use", () => {
  it("sets aside the objects that a study chooses by, and learns from all other known ones", async () => {
    const manifest = await scanPhotos(join(folder, "photos"));
    const split = splitForUse(manifest, { calibration: 1 });
    const study = splitByObject(manifest, { shots: 2, validation: 1, test: "rest", seed: 3 });
    const ids = (photos: readonly { readonly id: string }[]) => photos.map(({ id }) => id).sort();
    expect(ids(split.calibration)).toEqual(ids(study.validation));
    expect(ids(split.train)).toEqual(ids([...study.train, ...study.test]));
    expect(split.near.every(({ role }) => role === "near")).toBe(true);
    const learned = new Set(split.train.map(({ object }) => object));
    expect(split.calibration.some(({ object }) => learned.has(object))).toBe(false);
    // A quarter of five objects, and never all of them.
    expect(new Set(splitForUse(manifest).calibration.map(({ object }) => object)).size).toBe(2);
    expect(new Set(splitForUse(manifest, { calibration: 9 }).train.map(({ object }) => object)).size).toBe(2);
  });
});

describe("training a classifier", () => {
  it("takes the quickest arm where no study was run, says so, and writes a folder that predicts", async () => {
    await writeFile(join(folder, "LICENSE.txt"), "CC0");
    const made = await trainClassifier(await planned(), { out: out("plain") });
    expect(made.arm.arm).toBe("cross-entropy");
    expect(made.arm.reason).toMatch(/No study was run/);
    expect(await readdir(out("plain"))).toEqual([
      ...["README.md", "calibration.safetensors", "classifier.json", "detectors"],
      ...["encoder", "gallery.safetensors", "photos.jsonl", "probe.safetensors"],
    ]);
    using classifier = loadClassifier(out("plain"));
    const { detectors } = readClassifierInfo(out("plain"));
    expect([...detectors].sort()).toEqual(["knn", "msp"]);
    expect(detectors[0]).toBe(made.detector.name);
    loadClassifier(out("plain"), { detector: detectors[1]! }).dispose();
    const photos = join(folder, "photos");
    const [verdict] = await classifier.predict([
      [join(photos, "known", "part-0", "0", "0.png"), join(photos, "known", "part-0", "0", "1.png")],
    ]);
    expect(verdict!.views).toBe(2);
    // Two calibration objects: nothing below 1 in 3 can be promised, and the card says so.
    expect(made.level).toBeCloseTo(1 / 3, 12);
    const card = await readFile(join(out("plain"), "README.md"), "utf8");
    expect(card).toMatch(/5\.0 % were asked for; 2 calibration objects allow no less than 1 in 3/);
    expect(card).toMatch(new RegExp(`--detector NAME.*\\(\`${detectors[1]}\`, AUROC [\\d.]+\\)`));
    expect(card).toMatch(
      /Licences: for the photos see `\.\.\/LICENSE\.txt`, found in or beside their folder\.\nThe encoder started from random weights\./,
    );
    expect(card).toMatch(/\| part-1 \| 4 \/ 8 \| 1 \/ 2 \|/);
  });

  it("makes nothing anew the second time, and the same classifier", async () => {
    const events: StageEvent[] = [];
    const before = await readFile(join(out("plain"), "encoder", "encoder.safetensors"));
    await trainClassifier(await planned(), { out: out("plain"), onEvent: (event) => events.push(event) });
    expect(events.filter(({ event, hash }) => event === "done" && hash !== "")).toEqual([]);
    expect(await readFile(join(out("plain"), "encoder", "encoder.safetensors"))).toEqual(before);
  });

  it("never learns from unknowns or from what it is calibrated on", async () => {
    const used = await readUsedPhotos(out("plain"));
    expect(used.filter(({ use }) => use === "train").every(({ id }) => id.startsWith("known/"))).toBe(true);
    expect(used.filter(({ use }) => use === "near").every(({ id }) => id.startsWith("near/"))).toBe(true);
    expect(used.some(({ id }) => id.startsWith("far/"))).toBe(false);
    expect(new Set(used.map(({ id }) => id)).size).toBe(used.length);
  });

  it("follows a finished study: its arm, with the words and redraws that lie there", async () => {
    const study = await planned();
    const outcome = await runStudy(study);
    const events: StageEvent[] = [];
    const made = await trainClassifier(study, {
      out: out("follows"),
      onEvent: (event) => events.push(event),
    });
    expect(outcome.arms.map(({ name }) => name)).toContain(made.arm.arm);
    expect(outcome.trainCommand).toBe(
      `penumbra train ${join(folder, "study.yaml")} --run ${relative(process.cwd(), join(folder, "run"))}`,
    );
    expect(made.arm.reason).toMatch(/AUROC/);
    const drawn = await trainClassifier(study, {
      ...{ out: out("drawn"), arm: "supcon+both", seed: 0 },
      onEvent: (event) => events.push(event),
    });
    expect(drawn.arm.reason).toBe("It was asked for.");
    const fresh = events
      .filter(({ event, hash }) => event === "done" && hash !== "")
      .map(({ stage }) => stage);
    expect(fresh).not.toContain("words");
    expect(fresh).not.toContain("images");
    expect(
      Object.keys(readProvenance(out("drawn")).artifacts).filter((name) => name.startsWith("images")),
    ).toHaveLength(2);
  });

  it("refuses a class that is called as the verdict of unknowns is", async () => {
    const unknown = join(folder, "photos", "known", "unknown");
    await cp(join(folder, "photos", "far", "far-0"), unknown, { recursive: true });
    await rm(join(folder, "photos", "far"), { recursive: true });
    await expect(trainClassifier(await planned(), { out: out("none") })).rejects.toThrow(/called "unknown"/);
    await rm(unknown, { recursive: true });
  });

  it("chooses its detector by stand-ins where the photos have no near unknowns, and counts its stages", async () => {
    const near = join(folder, "photos", "near");
    await rename(near, join(folder, "near-aside"));
    const study = await planned();
    const manifest = await scanForUse(study);
    const arm = await chooseArm(study, "cross-entropy");
    const events: StageEvent[] = [];
    const made = await trainClassifier(study, {
      ...{ out: out("alone"), arm, seed: 5 },
      manifest: { ...manifest, root: relative(process.cwd(), manifest.root) },
      onEvent: (event) => events.push(event),
    });
    await rename(join(folder, "near-aside"), near);
    expect(made.detector.reason).toMatch(/Of 2 it was the best .* images that stand in for unknowns/);
    const ended = events.filter(({ event }) => event === "done" || event === "reused");
    expect(ended.map(({ stage }) => stage)).toEqual(["encoder", "features", "probe", "stand-ins"]);
    expect(classifierStageCount(study, { arm, manifest })).toBe(ended.length);
    const provenance = readProvenance(out("alone"));
    expect(provenance.photos).toBe(join(folder, "photos")); // wherever export is called from
    expect(Object.keys(provenance.artifacts)).toContainEqual(expect.stringMatching(/^stand-ins/));
  });

  it("keeps a detector that looks at pixels", async () => {
    const study = await planned();
    const config = { ...study.config, detectors: ["reconstruction" as const] };
    const made = await trainClassifier({ ...study, config }, { out: out("pixels"), arm: "cross-entropy" });
    expect(made.detector).toMatchObject({
      name: "reconstruction",
      reason: expect.stringMatching(/only one/),
    });
    using classifier = loadClassifier(out("pixels"));
    const used = (await readUsedPhotos(out("pixels"))).filter(({ use }) => use === "calibration");
    const [verdict] = await classifier.predict([join(folder, "photos", used[0]!.id)]);
    const known = classifier.reference(1).known.state.scores;
    expect(known.some((score) => Math.abs(score - verdict!.score) < 1e-6 * Math.abs(score))).toBe(true);
  });

  it("counts the encoders that judge a sift", async () => {
    const study = await planned();
    const manifest = await scanForUse(study);
    const arm = await chooseArm(study, "supcon+ce+sifted");
    const events: StageEvent[] = [];
    await trainClassifier(study, {
      ...{ out: out("sifted"), arm, manifest },
      onEvent: (event) => events.push(event),
    });
    const ended = events.filter(({ event }) => event === "done" || event === "reused");
    expect(classifierStageCount(study, { arm, manifest })).toBe(ended.length);
  });

  it("refuses an arm that does not exist", async () => {
    await expect(trainClassifier(await planned(), { out: out("none"), arm: "magic" })).rejects.toThrow(
      /no arm "magic"/,
    );
  });
});
