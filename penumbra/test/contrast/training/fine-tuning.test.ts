import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { nn, safetensors } from "@penumbra/torch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  Encoder,
  type FineTuning,
  type TrainedLayers,
  type TrainOptions,
  trainEncoder,
} from "../../../src/contrast/index.ts";
import { rateGroups } from "../../../src/contrast/training/fine-tuning.ts";
import {
  type EncoderWeights,
  findEncoderWeights,
  modulesOf,
  parametersOf,
} from "../../../src/models/index.ts";

const images = torch.randint(256, [12, 3, 32, 32], {
  generator: new torch.Generator({ seed: 1 }),
  dtype: "uint8",
});
const labels = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];

let folder = "";
let weights: EncoderWeights;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-weights-"));
  torch.manualSeed(5);
  const state = new Encoder({ network: "resnet10", width: 8 }).network.stateDict();
  safetensors.write(join(folder, "model.safetensors"), state);
  weights = await findEncoderWeights(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function settings(changes: Partial<TrainOptions> = {}): TrainOptions {
  return {
    ...{ objective: "cross-entropy", images, labels, network: { network: "resnet10" }, weights },
    ...{ steps: 3, batchSize: 6, views: 1, augment: { flip: 0.5 }, seed: 1, precision: "fp32", ...changes },
  };
}

/** Numbers of all that a layer holds, batch norm's statistics too. */
const stateOf = (encoder: Encoder) =>
  encoder.network
    .layers()
    .map((layer) => [
      ...parametersOf(layer).map((tensor) => tensor.toNumbers()),
      ...modulesOf(layer).flatMap((module) =>
        module instanceof nn.BatchNorm2d ? module.buffers().map((tensor) => tensor.toNumbers()) : [],
      ),
    ]);

/** Which layers training has changed. */
async function changedLayers(fineTuning: FineTuning): Promise<boolean[]> {
  const before = stateOf(Encoder.published("resnet10", weights));
  const { encoder } = await trainEncoder(settings({ fineTuning }));
  return stateOf(encoder).map((layer, depth) => JSON.stringify(layer) !== JSON.stringify(before[depth]));
}

describe("an encoder that starts from published weights", () => {
  test("has them before the first step, and their sizes", async () => {
    const { encoder } = await trainEncoder(settings({ steps: 1, optimizer: { learningRate: 1e-30 } }));
    expect(encoder.config.width).toBe(8);
    const own = Encoder.published("resnet10", weights).network.stateDict();
    for (const [key, tensor] of Object.entries(encoder.network.stateDict())) {
      expect(tensor.allclose(own[key] as torch.Tensor, { rtol: 1e-6, atol: 1e-8 }), key).toBe(true);
    }
  });

  test.each<[TrainedLayers, boolean[]]>([
    ["head", [false, false, false, false, false, false]],
    ["last-1", [false, false, false, false, true, false]],
    ["last-3", [false, false, true, true, true, false]],
    ["last-99", [true, true, true, true, true, false]],
    ["full", [true, true, true, true, true, false]],
  ])("changes what %s says, statistics of batch norms too, and nothing else", async (layers, changed) => {
    // Stem, four blocks, and what comes after them, which a ResNet without classifier does not have.
    expect(await changedLayers({ layers, batchNorm: "trained" })).toEqual(changed);
  });

  test.each<FineTuning>([{}, { batchNorm: "frozen" }])(
    "keeps the statistics of its batch norms and trains their scales (%j)",
    async (fineTuning) => {
      const before = Encoder.published("resnet10", weights).network;
      const { encoder } = await trainEncoder(settings({ fineTuning }));
      const numbers = (state: Record<string, torch.Tensor>, key: string) => state[key]?.toNumbers();
      const [own, old] = [encoder.network.stateDict(), before.stateDict()];
      expect(numbers(own, "layer4.0.bn2.running_mean")).toEqual(numbers(old, "layer4.0.bn2.running_mean"));
      expect(numbers(own, "layer4.0.bn2.weight")).not.toEqual(numbers(old, "layer4.0.bn2.weight"));
    },
  );

  test("goes on after an interruption to the same bits, with layers of different rates", async () => {
    const fineTuning: FineTuning = { layers: "last-2", layerDecay: 0.5, batchNorm: "frozen" };
    const whole = await trainEncoder(settings({ steps: 6, fineTuning }));
    const checkpointFolder = join(folder, "scratch");
    const interrupted = settings({ steps: 6, fineTuning, checkpointFolder, checkpointEvery: 2 });
    await expect(
      trainEncoder({
        ...interrupted,
        onProgress: (done) => {
          if (done === 5) throw new Error("killed");
        },
      }),
    ).rejects.toThrow("killed");
    const resumed = await trainEncoder(interrupted);
    expect(stateOf(resumed.encoder)).toEqual(stateOf(whole.encoder));
  });

  test("gives the same bits with gradient checkpointing", async () => {
    const plain = await trainEncoder(settings());
    const less = await trainEncoder(settings({ recomputes: true }));
    expect(stateOf(less.encoder)).toEqual(stateOf(plain.encoder));
  });
});

describe("layer-wise learning-rate decay", () => {
  test("halves the rate with every layer towards the input; the head's is whole", () => {
    const encoder = new Encoder({ network: "resnet10", width: 8 });
    const head = new nn.Linear(encoder.dimensions, 3);
    const groups = rateGroups(encoder, head, { layerDecay: 0.5 });
    expect(groups.map(({ scale }) => scale)).toEqual([1, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]);
    const params = groups.flatMap((group) => group.params);
    expect(new Set(params)).toEqual(new Set([...encoder.parameters(), ...head.parameters()]));
    expect(params).toHaveLength(encoder.parameters().length + 2);
  });

  test.each([0, 1.5, Number.NaN])("a decay of %d is refused", async (layerDecay) => {
    await expect(trainEncoder(settings({ fineTuning: { layerDecay } }))).rejects.toThrow(/layerDecay is/);
  });
});
