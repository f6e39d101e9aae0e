import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { safetensors } from "@penumbra/torch";
import fc from "fast-check";
import { afterAll, describe, expect, test, vi } from "vitest";
import { checkModel, findModel } from "../../../src/diffusion/index.ts";
import { firstNonFinite } from "../../../src/diffusion/model/finite-weights.ts";
import { HubServer } from "../../hub/hub-server.ts";

const mini = fileURLToPath(new URL("../../../mini", import.meta.url));
const weights = "unet/diffusion_pytorch_model.safetensors";
const scratch = await mkdtemp(join(tmpdir(), "penumbra-model-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
const aside = () => mkdtemp(join(scratch, "model-"));

/** Writes a value over the last element of a tensor, as its bytes. */
async function spoil(path: string, name: string, value: Uint8Array): Promise<void> {
  const { tensors } = safetensors.readHeader(path);
  const { end } = tensors.find((entry) => entry.name === name)!;
  const bytes = await readFile(path);
  bytes.set(value, end - value.length);
  await writeFile(path, bytes);
}

describe("a model's folder", () => {
  test("with a weight that is no number is refused, and the tensor is named", async () => {
    const folder = join(await aside(), "model");
    await cp(mini, folder, { recursive: true });
    expect(await checkModel(folder, { base: "/" })).toMatchObject({ ok: true });
    const { tensors } = safetensors.readHeader(join(folder, weights));
    const [first] = tensors;
    const nan = { float32: [0, 0, 0xc0, 0x7f], bfloat16: [0xc0, 0x7f], float16: [0, 0x7e] }[
      first!.dtype as "float32"
    ];
    await spoil(join(folder, weights), first!.name, Uint8Array.from(nan));
    const { ok, finding } = await checkModel(folder, { base: "/" });
    expect(ok).toBe(false);
    expect(finding).toContain(`"${first!.name}" in ${weights} has weights that are infinite or not a number`);
    await expect(findModel(folder, { base: "/" })).rejects.toThrow(/Copy or download the model again/);
  });

  test("that is a file of another kind, or damaged, is refused", async () => {
    const folder = await aside();
    for (const [name, says] of [
      ["v1-5.safetensors", /damaged.*v1-5.safetensors/],
      ["v1-5.ckpt", /v1-5.ckpt/],
      ["notes.txt", /notes.txt is a file of another kind/],
    ] as const) {
      await writeFile(join(folder, name), "x");
      await expect(findModel(name, { base: folder })).rejects.toThrow(says);
    }
  });

  test("comes from the hub by its name, the files that are used alone; other kinds are refused before", async () => {
    const server = new HubServer();
    vi.stubEnv("HF_ENDPOINT", await server.start());
    vi.stubEnv("HF_HOME", await aside());
    try {
      const files: Record<string, Buffer> = { "v1-5-pruned.ckpt": Buffer.from("large") };
      for (const entry of await readdir(mini, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile()) files[relative(mini, path)] = await readFile(path);
      }
      const unet = files[weights]!;
      server.behaviour.files = {
        ...files,
        "unet/diffusion_pytorch_model.bin": unet,
        "unet/diffusion_pytorch_model.fp16.safetensors": unet,
        "safety_checker/model.safetensors": unet,
      };
      const model = await findModel("hf:someone/model", { base: "/" });
      expect(model.hash).toBe((await findModel("penumbra-mini", { base: "/" })).hash);
      const asked = server.requests.join(" ");
      expect(asked).not.toMatch(/\.bin|fp16|safety_checker|ckpt|resolve.*README/);

      server.requests.length = 0;
      for (const [other, kind] of [
        ["text_encoder_2/model.safetensors", /Stable Diffusion XL/],
        ["transformer/model.safetensors", /Flux/],
      ] as const) {
        server.behaviour.files = { ...files, [other]: unet };
        await expect(findModel("hf:someone/model", { base: "/" })).rejects.toThrow(kind);
      }
      expect(server.requests.filter((line) => line.includes("/resolve/"))).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await server.stop();
    }
  });

  test("is known by the files that are used, and by a size of one's own", async () => {
    const folder = join(await aside(), "model");
    await cp(mini, folder, { recursive: true });
    const { hash, bytes } = await findModel(folder, { base: "/" });
    await writeFile(join(folder, "unet", "diffusion_pytorch_model.fp16.safetensors"), "another form");
    await writeFile(join(folder, "unet", "notes.json"), "{}");
    expect(await findModel(folder, { base: "/" })).toMatchObject({ hash, bytes });
    const larger = await findModel(folder, { base: "/", imageSize: 128 });
    expect(larger.imageSize).toBe(128);
    expect(larger.hash).not.toBe(hash);
    expect((await findModel(folder, { base: "/", imageSize: 64 })).hash).toBe(hash);
  });

  test("that was distilled without guidance is not drawn with it", async () => {
    for (const name of ["hf:stabilityai/sd-turbo", "models/sd_turbo.safetensors", "sd-turbo"])
      await expect(findModel(name, { base: "/", guidanceScale: 5 })).rejects.toThrow(
        /distilled to draw without guidance.*"redraw.guidanceScale" to 1/,
      );
    await expect(findModel("sd-turbo", { base: "/", guidanceScale: 1, steps: 10 })).rejects.toThrow(
      /one to four steps; an image takes 10 steps. Set .*"redraw.steps" so that a strength takes one to four/,
    );
    await expect(findModel("models/sd-turbo", { base: "/", guidanceScale: 1, steps: 4 })).rejects.toThrow(
      /not there/,
    );
    expect((await findModel("penumbra-mini", { base: "/", guidanceScale: 5 })).imageSize).toBe(64);
  });

  test("says how many weights its denoiser has", async () => {
    const { denoiserParameters, imageSize } = await findModel("penumbra-mini", { base: "/" });
    expect(imageSize).toBe(64);
    expect(denoiserParameters).toBe(7_081_656); // of float16: half of the file's bytes, less its header
  });
});

describe("the scan for weights that are no numbers", () => {
  const sizes = { F32: 4, F16: 2, BF16: 2 } as const;
  const isOrdinary = {
    F32: (bytes: Buffer) => Number.isFinite(bytes.readFloatLE()),
    // Half: sign, 5 bits of exponent, 10 of fraction; bfloat16: the upper half of a float32.
    F16: (bytes: Buffer) => ((bytes.readUInt16LE() >> 10) & 31) !== 31,
    BF16: (bytes: Buffer) => Number.isFinite(Buffer.concat([Buffer.alloc(2), bytes]).readFloatLE()),
  };

  test("finds in every type what is infinite or not a number, and nothing else", async () => {
    const path = join(await aside(), "one.safetensors");
    const patterns = fc.uint8Array({ minLength: 24, maxLength: 24 });
    const edges = fc.constantFrom(0x7f, 0xff, 0x7e, 0x7c, 0x7b, 0x80);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("F32", "F16", "BF16"), patterns, edges, async (type, random, edge) => {
        const data = Buffer.from(random);
        data.set([edge, edge], 22);
        const size = sizes[type as keyof typeof sizes];
        const header = JSON.stringify({
          w: { dtype: type, shape: [24 / size], data_offsets: [0, 24] },
        }).padEnd(80);
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(header.length));
        await writeFile(path, Buffer.concat([length, Buffer.from(header), data]));
        const values = Array.from({ length: 24 / size }, (_, i) => data.subarray(size * i, size * (i + 1)));
        const expected = values.every(isOrdinary[type as keyof typeof isOrdinary]) ? undefined : "w";
        expect(await firstNonFinite(path)).toBe(expected);
      }),
    );
  });
});
