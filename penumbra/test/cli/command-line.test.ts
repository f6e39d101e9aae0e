import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exampleOutcome, examplePng } from "../report/outcome.ts";
import { writePhotos } from "../study/photos.ts";
import { writeWeights } from "../study/tiny-study.ts";

const bin = fileURLToPath(new URL("../../bin/penumbra.js", import.meta.url));
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-cli-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line as a user does: another process, in the test's folder. */
const penumbra = (...args: string[]): Promise<Ended> => penumbraWith({}, ...args);

function penumbraWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, ...args],
      { cwd: folder, env: { ...process.env, NODE_OPTIONS: "", ...env } },
      (error, out, err) => {
        resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, out, err });
      },
    );
  });
}

describe("penumbra", () => {
  it("loads no engine for commands that need no tensor", async () => {
    await writePhotos(join(folder, "photos"), { known: 3, near: 2, objects: 6 });
    await writeFile(join(folder, "report.json"), JSON.stringify(exampleOutcome()));
    for (let index = 0; index < 24; index++) {
      const png = examplePng(`picture-${index}.png`).split(",")[1]!;
      await writeFile(join(folder, `picture-${index}.png`), Buffer.from(png, "base64"));
    }
    // Whoever loaded the engine would be told that this is no libtorch.
    const broken = { LIBTORCH: join(folder, "no-libtorch") };
    for (const args of [
      ["--help"],
      ["--version"],
      ["pretrain", "--help"],
      ["init", "photos"],
      ["check", "photos"],
      ["check", "study.yaml"],
      ["schema"],
      ["report", "."],
      ["report", ".", "--language", "de", "--tensorboard", "board"],
    ]) {
      const { code, out, err } = await penumbraWith(broken, ...args);
      expect({ args, code, err }).toEqual({ args, code: 0, err: "" });
      expect(out.length).toBeGreaterThan(5);
    }
    const { code, err } = await penumbraWith(broken, "study", "study.yaml");
    expect(code).toBe(1);
    expect(err).toMatch(/^Error: LIBTORCH=".*no-libtorch" cannot be used: there is no such folder/m);
  });

  it("lists its commands, and names the one that was meant", async () => {
    expect((await penumbra("--help")).out).toMatch(/init.*check.*study.*report.*pretrain.*doctor/s);
    const { code, err } = await penumbra("stduy", "x");
    expect(code).toBe(1);
    expect(err).toContain("Did you mean study?");
  });

  it("prints its version", async () => {
    expect((await penumbra("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("init writes a configuration that fits the folder, and never writes over one", async () => {
    await writePhotos(join(folder, "photos"), { known: 3, near: 2, objects: 6 });
    const first = await penumbra("init", "photos");
    expect(first.err).toBe("");
    expect(first.code).toBe(0);
    const written = await readFile(join(folder, "study.yaml"), "utf8");
    expect(written).toMatch(/^photos: photos$/m);
    expect(written).toMatch(/^ {2}shots: 2$/m);
    const second = await penumbra("init", "photos");
    expect(second.code).toBe(1);
    expect(second.err).toMatch(/study\.yaml exists already and is left as it is/);
    expect(await readFile(join(folder, "study.yaml"), "utf8")).toBe(written);
  });

  it("check counts a folder's photos and names those it cannot read", async () => {
    await writePhotos(join(folder, "photos"), { known: 2, near: 0, far: 0, objects: 3 });
    await writeFile(join(folder, "photos", "known", "part-0", "0", "broken.png"), "not a picture");
    const { out, code } = await penumbra("check", "photos");
    expect(code).toBe(0);
    expect(out).toMatch(/part-0\s+known\s+3/);
    expect(out).toContain("broken.png");
    expect(JSON.parse((await penumbra("check", "photos", "--json")).out).classes).toHaveLength(2);
  });

  it("check --labels names a misplaced object, says what it was judged by, and lists it to be left out", async () => {
    await writePhotos(join(folder, "photos"), { known: 2, near: 0, far: 0, objects: 6 });
    await rename(join(folder, "photos/known/part-0/0"), join(folder, "photos/known/part-1/moved"));
    const { code, out, err } = await penumbra(
      "check",
      "photos",
      "--labels",
      "--fix-list",
      "fix.yaml",
      "--html",
      "check.html",
    );
    expect({ code, err: err.match(/Error/) }).toEqual({ code: 0, err: null });
    expect(out).toMatch(/Note: Labels were judged by the pixels of small pictures.*--encoder FILE/);
    expect(out).toMatch(
      /Look at: labels that may be wrong \(2\)\n {2}"known\/part-1\/moved\/.*looks like class "part-0"/,
    );
    expect(await readFile(join(folder, "fix.yaml"), "utf8")).toContain('- "known/part-1/moved/0.png"');
    expect(await readFile(join(folder, "check.html"), "utf8")).toMatch(/id="label".*data:image\/webp/s);
    const by = ["--labels", "--encoder", "weights"];
    await writeWeights(join(folder, "weights"), 1);
    const judged = JSON.parse((await penumbra("check", "photos", "--json", ...by)).out);
    expect(judged.notes.join()).toContain("frozen features of resnet10 (weights)");
    expect((await penumbra("check", "photos", "--encoder", "weights")).err).toMatch(
      /--encoder is for --labels/,
    );
  });

  it("schema prints the JSON Schema of the configuration", async () => {
    expect(JSON.parse((await penumbra("schema")).out).properties.photos.description).toContain(
      "class/photo.jpg",
    );
  });

  it("tells what to do in one message, without a stack trace, and exits with 1", async () => {
    await writeFile(join(folder, "study.yaml"), "photos: photos\nencoder: {learningrte: 1}\n");
    const { code, out, err } = await penumbra("study", "study.yaml");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toBe(
      'Error: study.yaml:2: "encoder.learningrte" is not a setting. Did you mean "learningRate"?\n',
    );
    expect((await readdir(folder)).sort()).toEqual(["study.yaml"]);
  });

  it("refuses a port that there is not, by the name of the option", async () => {
    for (const args of [
      ["serve", "model"],
      ["label", "unknowns", "--model", "model"],
    ]) {
      const { code, err } = await penumbra(...args, "--port", "65536");
      expect(code).toBe(1);
      expect(err).toMatch(/'--port <port>' .*65536.* must be a whole number from 0 to 65535/);
    }
  });

  it("refuses an empty folder of photos and writes nothing", async () => {
    await mkdir(join(folder, "photos"));
    await writeFile(join(folder, "study.yaml"), "photos: photos\n");
    const { code, err } = await penumbra("study", "study.yaml");
    expect(code).toBe(1);
    expect(err).toMatch(/holds no readable photo of any class.*class\/photo\.jpg/);
    expect(existsSync(join(folder, "runs"))).toBe(false);
  });

  it("says what to do where the system refuses to write", async () => {
    await writePhotos(join(folder, "photos"), { known: 2, near: 0, far: 0, objects: 3 });
    await writeFile(
      join(folder, "study.yaml"),
      "photos: photos\nsplit: {shots: 1, validation: 1}\narms: [supcon]\n",
    );
    await writeFile(join(folder, "taken"), "a file");
    const { code, err } = await penumbra("study", "study.yaml", "--out", "taken");
    expect(code).toBe(1);
    expect(err).toMatch(/^Error: .*taken.*choose another folder\.\n$/);
    expect(await readFile(join(folder, "taken"), "utf8")).toBe("a file");
  });

  it("check of a configuration says whether its model is there", async () => {
    await writePhotos(join(folder, "photos"), { known: 2, near: 0, far: 0, objects: 3 });
    const settings = "photos: photos\nsplit: {shots: 1, validation: 1}\nmodel: nowhere\n";
    await writeFile(join(folder, "study.yaml"), settings);
    const missing = await penumbra("check", "study.yaml");
    expect(missing.code).toBe(1);
    expect(missing.out).toMatch(/^Model: .*nowhere does not exist\. Set "model"/m);
    await writeFile(join(folder, "study.yaml"), `${settings}arms: [supcon]\n`);
    const unneeded = await penumbra("check", "study.yaml");
    expect(unneeded.code).toBe(0);
    expect(unneeded.out).not.toContain("Model:");
  });

  it("init names the classes that no study can be made of", async () => {
    await writePhotos(join(folder, "photos"), { known: 2, near: 0, far: 0, objects: 2 });
    expect((await penumbra("init", "photos")).out).toMatch(/Too few objects.*"part-0", "part-1".*needs 3/);
  });

  it("report of a folder that is no run says which folder to name", async () => {
    expect((await penumbra("report", ".")).err).toMatch(/has no report\.json\. Name the run folder/);
  });
});
