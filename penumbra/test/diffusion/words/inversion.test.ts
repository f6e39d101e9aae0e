import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromTyped, nn, optim, scope, type Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import {
  type ClassPhotos,
  encodePrompts,
  expandWords,
  inversionLoss,
  type LearnWordsOptions,
  learnWords,
  loadWords,
  StableDiffusion,
  saveWords,
  wordOf,
  wordToken,
} from "../../../src/diffusion/index.ts";
import { expectClose } from "../../goldens.ts";
import { eachSdGolden, need, tinyModels, tokenizerFolder } from "../../sd-goldens.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-inversion-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("one word, step by step", () => {
  eachSdGolden("init_row", (golden, model) => {
    const { json } = golden;
    const sd = StableDiffusion.load(model, { tokenizer: tokenizerFolder }).requiresGrad_(false);
    const [initial] = sd.tokenizer.tokens(json.initial_token as string);
    const table = sd.textEncoder.embeddings.tokenEmbedding.weight;
    const words = nn.parameter(
      table
        .detach()
        .narrow(0, initial as number, 1)
        .clone(),
    );
    expectClose(words.at(0), need(golden, "init_row"), json.rtol, "initial row");
    expect(json.placeholder_id).toBe(sd.textEncoder.config.vocab_size);
    const optimizer = new optim.AdamW([words], {
      lr: json.learning_rate as number,
      weightDecay: json.weight_decay as number,
    });
    for (let step = 0; step < (json.steps as number); step++) {
      optimizer.zeroGrad();
      const loss = inversionLoss(sd, words, {
        latents: need(golden, "latents"),
        noise: need(golden, `noise${step}`),
        timesteps: need(golden, `t${step}`).toNumbers(),
        ids: need(golden, "ids"),
      }).mean();
      loss.backward();
      expectClose(loss, need(golden, `loss${step}`), json.rtol, `loss ${step}`);
      if (step === 0)
        expectClose((words.grad as Tensor).at(0), need(golden, "grad0"), json.rtol, "first gradient");
      optimizer.step();
    }
    expectClose(words.detach().at(0), need(golden, "learned_row"), json.rtol, "learned row");
  });
});

function photos(name: string, count: number, level: number): ClassPhotos {
  const pixels = Uint8Array.from({ length: count * 3 * 16 * 16 }, (_, i) => (i * 7 + level * 50) % 256);
  return { name, images: fromTyped(pixels, [count, 3, 16, 16]) };
}

describe.skipIf(tinyModels.length === 0)("learnWords", () => {
  const sd = () => StableDiffusion.load(tinyModels[0] as string, { tokenizer: tokenizerFolder });
  const classes = [photos("Bolt", 3, 0), photos("pin header", 2, 1)];
  const base: LearnWordsOptions = { classes, steps: 4, batchSize: 2, seed: 5 };
  const numbers = ({ words }: { words: readonly { vector: Tensor }[] }) =>
    words.map(({ vector }) => vector.toNumbers());

  test("moves nothing but the words", async () => {
    const model = sd();
    const before = scope(() =>
      Object.values(model.textEncoder.stateDict()).map((t) => t.to("float64").sum().item()),
    );
    const words = await learnWords(model, base);
    const after = scope(() =>
      Object.values(model.textEncoder.stateDict()).map((t) => t.to("float64").sum().item()),
    );
    expect(after).toEqual(before);
    expect(words.words.map(({ token }) => token)).toEqual(["<bolt>", "<pin_header>"]);
    const start = model.textEncoder.embeddings.tokenEmbedding.weight
      .at(model.tokenizer.tokens("the")[0] as number)
      .toNumbers();
    for (const row of numbers(words)) expect(row).not.toEqual(start);
    // As they were: autocast keeps its copies of weights that require gradients, and of no others.
    expect(model.unet.convIn.weight.requiresGrad).toBe(true);
  });

  test("gives a class the same word whatever other classes are learned beside it, up to rounding", async () => {
    const together = numbers(await learnWords(sd(), base));
    const alone = numbers(await learnWords(sd(), { ...base, classes: classes.slice(1) }));
    const largest = Math.max(...alone[0]!.map(Math.abs));
    together[1]!.forEach((value, i) => {
      expect(Math.abs(value - alone[0]![i]!)).toBeLessThan(1e-4 * largest);
    });
    const chunked = numbers(await learnWords(sd(), { ...base, chunkSize: 2 }));
    chunked.flat().forEach((value, i) => {
      expect(Math.abs(value - together.flat()[i]!)).toBeLessThan(1e-4 * largest);
    });
  });

  test("goes on after an interruption with the same bits", async () => {
    const folder = join(scratch, "resume");
    const whole = numbers(await learnWords(sd(), base));
    await expect(
      learnWords(sd(), {
        ...base,
        checkpointFolder: folder,
        checkpointSeconds: 0,
        onProgress: (done) => {
          if (done === 3) throw new Error("interrupted");
        },
      }),
    ).rejects.toThrow("interrupted");
    const seen: number[] = [];
    const resumed = await learnWords(sd(), {
      ...base,
      checkpointFolder: folder,
      onProgress: (done) => seen.push(done),
    });
    expect(seen).toEqual([3, 4]);
    expect(numbers(resumed)).toEqual(whole);
    const others = [photos("Bolt", 3, 2), classes[1]!]; // as many photos, of the same size
    for (const changed of [{ seed: 6 }, { classes: others }]) {
      await expect(learnWords(sd(), { ...base, ...changed, checkpointFolder: folder })).rejects.toThrow(
        "belongs to other",
      );
    }
  });

  test("begins at the mean of the given words, and says which class lacks one", async () => {
    const model = sd();
    const words = await learnWords(model, {
      ...base,
      steps: 0,
      initToken: { Bolt: "metal part", "pin header": "the" },
    });
    const table = model.textEncoder.embeddings.tokenEmbedding.weight;
    const rows = model.tokenizer.tokens("metal part").map((id) => table.at(id).toNumbers());
    numbers(words)[0]!.forEach((value, i) => {
      expect(value).toBeCloseTo((rows[0]![i]! + rows[1]![i]!) / 2, 5);
    });
    await expect(learnWords(model, { ...base, initToken: { Bolt: "the" } })).rejects.toThrow(
      'class "pin header"',
    );
  });

  test("a word of several vectors is several tokens, each begun and learned on its own", async () => {
    const model = sd();
    const several = { ...base, vectors: 2, initToken: { Bolt: "metal part", "pin header": "the" } };
    const start = numbers(await learnWords(model, { ...several, steps: 0 }));
    const table = model.textEncoder.embeddings.tokenEmbedding.weight;
    const rowsOf = (text: string) => model.tokenizer.tokens(text).map((id) => table.at(id).toNumbers());
    expect(start[0]).toEqual(rowsOf("metal part").flat());
    expect(start[1]).toEqual([...rowsOf("the"), ...rowsOf("the")].flat());
    const learned = await learnWords(model, several);
    const size = model.textEncoder.config.hidden_size;
    expect(learned.words.map(({ vector }) => vector.shape)).toEqual([
      [2, size],
      [2, size],
    ]);
    const halves = numbers(learned)[1]!;
    expect(halves.slice(0, size)).not.toEqual(halves.slice(size)); // alike at the start, in different places
    const path = join(scratch, "several.safetensors");
    saveWords(learned, path);
    const { words } = loadWords(path);
    expect(expandWords("a <BOLT> by a <pin_header>", words)).toBe(
      "a <bolt> <bolt>_1 by a <pin_header> <pin_header>_1",
    );
    const whole = encodePrompts(model, ["a <bolt>"], { words });
    const apart = words[0]!.vector.unbind().map((vector, i) => ({ token: `<part-${i}>`, vector }));
    const spelt = encodePrompts(model, ["a <part-0> <part-1>"], { words: apart });
    expect(whole.toNumbers()).toEqual(spelt.toNumbers());
    await expect(learnWords(model, { ...base, vectors: 9 })).rejects.toThrow("1 to 8 vectors");
  });

  test("gradient checkpointing changes rounding alone, and is off again afterwards", async () => {
    const model = sd();
    const plain = numbers(await learnWords(model, base)).flat();
    const again = numbers(await learnWords(model, { ...base, gradientCheckpointing: true })).flat();
    const largest = Math.max(...plain.map(Math.abs));
    for (const [i, value] of again.entries())
      expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-4 * largest);
    expect(model.unet.recomputes).toBe(false);
  });

  test("the learning rate warms up and falls by its schedule", async () => {
    const moved = async (options: Partial<LearnWordsOptions>) => {
      const [start] = numbers(await learnWords(sd(), { ...base, steps: 0 }));
      const [end] = numbers(await learnWords(sd(), { ...base, ...options }));
      return end!.reduce((sum, value, i) => sum + Math.abs(value - start![i]!), 0);
    };
    const constant = await moved({});
    expect(await moved({ schedule: "linear" })).toBeLessThan(constant);
    expect(await moved({ warmup: 3 })).toBeLessThan(constant);
    // A cosine of one step is at its peak.
    expect(await moved({ steps: 1, schedule: "cosine" })).toBe(await moved({ steps: 1 }));
  });

  test("looks at held-out photos tell losses, stop early and keep the best, also after an interruption", async () => {
    const watched: LearnWordsOptions = {
      ...base,
      steps: 6,
      heldOut: [photos("Bolt", 2, 3)], // none of the other class
      evaluation: { every: 2, keep: "best", patience: 0 },
    };
    const whole = await learnWords(sd(), watched);
    expect(whole.looks.map(({ step }) => step)).toEqual([2, 4, 6]);
    for (const { training, heldOut } of whole.looks) {
      expect(training).toBeGreaterThan(0);
      expect(heldOut).toBeGreaterThan(0);
    }
    const best = whole.looks.reduce((least, look) => (look.heldOut < least.heldOut ? look : least));
    expect(whole.step).toBe(best.step);
    // Looks draw from seeds of their own: what is learned until then is the same without them.
    expect(numbers(whole)).toEqual(numbers(await learnWords(sd(), { ...base, steps: best.step })));
    const folder = join(scratch, "looks");
    const interrupted = { ...watched, checkpointFolder: folder, checkpointSeconds: 0 };
    await expect(
      learnWords(sd(), {
        ...interrupted,
        onProgress: (done) => {
          if (done === 5) throw new Error("interrupted");
        },
      }),
    ).rejects.toThrow("interrupted");
    const resumed = await learnWords(sd(), interrupted);
    expect(resumed.looks).toEqual(whole.looks);
    expect(numbers(resumed)).toEqual(numbers(whole));
    // Words that do not move do not get better.
    const still = {
      ...watched,
      learningRate: 0,
      evaluation: { every: 1, keep: "best", patience: 2 },
    } as const;
    const stopped = await learnWords(sd(), still);
    expect(stopped.looks.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(stopped.step).toBe(1);
    await expect(learnWords(sd(), { ...watched, heldOut: [] })).rejects.toThrow("no held-out photos");
  });

  test("previews come every so many steps, with the words as they are", async () => {
    const seen: { step: number; values: number[][] }[] = [];
    const last = await learnWords(sd(), {
      ...base,
      previewEvery: 2,
      onPreview: async (step, words) => void seen.push({ step, values: numbers(words) }),
    });
    expect(seen.map(({ step }) => step)).toEqual([2, 4]);
    expect(seen[1]!.values).toEqual(numbers(last));
    expect(seen[0]!.values).not.toEqual(seen[1]!.values);
  });

  test("in float16 losses are scaled, and the words stay close to those of float32", async () => {
    const [exact] = numbers(await learnWords(sd(), base));
    const [half] = numbers(await learnWords(sd(), { ...base, precision: "fp16" }));
    const [start] = numbers(await learnWords(sd(), { ...base, steps: 0 }));
    const far = (a: number[], b: number[]) => Math.hypot(...a.map((value, i) => value - b[i]!));
    expect(far(half!, exact!)).toBeLessThan(far(exact!, start!));
    expect(half).not.toEqual(start);
  });

  test("refuses classes that share a word, and classes without photos", async () => {
    await expect(
      learnWords(sd(), { ...base, classes: [photos("a b", 1, 0), photos("A b", 1, 1)] }),
    ).rejects.toThrow("share the word");
    await expect(learnWords(sd(), { ...base, classes: [photos("a", 0, 0)] })).rejects.toThrow('Class "a"');
    await expect(learnWords(sd(), { ...base, classes: [] })).rejects.toThrow("no classes");
  });

  test("words survive writing and reading, and a missing one is loud", async () => {
    const words = await learnWords(sd(), { ...base, steps: 1 });
    const path = join(scratch, "words.safetensors");
    saveWords(words, path);
    const read = loadWords(path);
    expect(numbers(read)).toEqual(numbers(words));
    expect(read.words.map(({ className, token }) => [className, token])).toEqual([
      ["Bolt", "<bolt>"],
      ["pin header", "<pin_header>"],
    ]);
    expect(() => wordOf(read, "nut")).toThrow(
      'no word for the class "nut"; there are words for: Bolt, pin header',
    );
    expect(wordToken("TO-220 F")).toBe("<to-220_f>");
    expect(wordToken("resistor <5 mm")).toBe("<resistor_5_mm>");
    const prompts = ["a photo of a <bolt>", "a photo of a <PIN_HEADER>"];
    expect(encodePrompts(sd(), prompts, { words: read.words }).shape[0]).toBe(2);
    expect(() => encodePrompts(sd(), prompts, { words: read.words.slice(0, 1) })).toThrow(
      "<PIN_HEADER>, of which no vector was given (given: <bolt>)",
    );
  });
});
