import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as torch from "@penumbra/torch";
import { type nn, safetensors, save, type Tensor } from "@penumbra/torch";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  EfficientNetLite,
  findEncoderWeights,
  loadPublishedEncoder,
  ResNet,
  recogniseEncoder,
  VisionTransformer,
} from "../../src/models/index.ts";
import { HubServer } from "../hub/hub-server.ts";

/** A pickle that calls builtins.print. */
const untrusted = fileURLToPath(new URL("../../../torch/test/fixtures/pickle/untrusted.pt", import.meta.url));

let folder = "";
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-encoder-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Weights as files publish them: without the counters of batches. */
function published(network: nn.Module): Record<string, Tensor> {
  const entries = Object.entries(network.stateDict()).map(([key, tensor]) => [key, tensor.detach()] as const);
  return Object.fromEntries(entries.filter(([key]) => !key.endsWith("num_batches_tracked")));
}

const images = torch.randn([2, 3, 32, 32], { generator: new torch.Generator({ seed: 1 }) });
const featuresOf = (network: { features(images: Tensor): Tensor; eval(): unknown }) => {
  network.eval();
  return torch.noGrad(() => network.features(images).toNumbers());
};

describe("an encoder's weights", () => {
  test("are read from a folder as timm publishes it, with its normalisation, and without its classifier", async () => {
    torch.manualSeed(1);
    const network = new ResNet({ depth: 18, width: 16, classes: 7 });
    safetensors.write(at("model.safetensors"), published(network));
    const pixels = { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6], input_size: [3, 288, 288] };
    await writeFile(
      at("config.json"),
      JSON.stringify({ architecture: "resnet18", num_classes: 7, pretrained_cfg: pixels }),
    );
    const weights = await findEncoderWeights(folder);
    expect(weights).toMatchObject({ imageSize: 288, architecture: "resnet18" });
    const loaded = loadPublishedEncoder("resnet18", weights);
    expect(loaded.normalisation).toEqual({ mean: pixels.mean, std: pixels.std });
    expect(loaded.sizes).toEqual({ width: 16, stem: "imagenet" });
    expect(featuresOf(loaded.network)).toEqual(featuresOf(network));
    await rm(at("config.json"));
  });

  test("are read from PyTorch's own format, a state dict or a checkpoint that holds one", async () => {
    torch.manualSeed(2);
    const network = new ResNet({ depth: 10, width: 8 });
    save(published(network), at("plain.pth"));
    save({ epoch: 3, state_dict: published(network) }, at("checkpoint.pt"));
    for (const name of ["plain.pth", "checkpoint.pt"]) {
      const { network: loaded } = loadPublishedEncoder("resnet10", await findEncoderWeights(at(name)));
      expect(featuresOf(loaded)).toEqual(featuresOf(network));
    }
  });

  test("may lie in shards, all of which decide about their hash", async () => {
    torch.manualSeed(8);
    const network = new ResNet({ depth: 10, width: 8 });
    const entries = Object.entries(published(network));
    const place = at("sharded");
    await mkdir(place);
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const halves = [entries.slice(0, 9), entries.slice(9)];
    for (const [i, shard] of shards.entries())
      safetensors.write(join(place, shard), Object.fromEntries(halves[i]!));
    const map = halves.flatMap((half, i) => half.map(([key]) => [key, shards[i]]));
    const index = join(place, "model.safetensors.index.json");
    await writeFile(index, JSON.stringify({ weight_map: Object.fromEntries(map) }));
    const weights = await findEncoderWeights(place);
    expect(featuresOf(loadPublishedEncoder("resnet10", weights).network)).toEqual(featuresOf(network));
    const [key, tensor] = halves[1]![0]!;
    safetensors.write(join(place, shards[1]!), { ...Object.fromEntries(halves[1]!), [key]: tensor.mul(2) });
    expect((await findEncoderWeights(place)).hash).not.toBe(weights.hash);
    await rm(join(place, shards[1]!));
    await expect(findEncoderWeights(place)).rejects.toThrow(/names model-00002-of-00002.*not there/);
  });

  test("come from the hub by their name: one form of them, and what timm says", async () => {
    const server = new HubServer();
    const endpoint = await server.start();
    vi.stubEnv("HF_ENDPOINT", endpoint);
    vi.stubEnv("HF_HOME", at("hub"));
    try {
      torch.manualSeed(9);
      const network = new ResNet({ depth: 10, width: 8 });
      safetensors.write(at("published.safetensors"), published(network));
      const pixels = { input_size: [3, 96, 96], interpolation: "bicubic", crop_pct: 0.875 };
      server.behaviour.files = {
        "model.safetensors": await readFile(at("published.safetensors")),
        "pytorch_model.bin": Buffer.from("the same once more"),
        "config.json": Buffer.from(JSON.stringify({ architecture: "resnet10t", pretrained_cfg: pixels })),
        "README.md": Buffer.from("words"),
      };
      const notes: string[] = [];
      const weights = await findEncoderWeights("hf:someone/model", { onNote: (text) => notes.push(text) });
      expect(notes.at(-1)).toMatch(/crop_pct 0.875: timm shows such networks the middle 88 %.*see it whole/);
      expect(weights).toMatchObject({ imageSize: 96, interpolation: "bicubic" });
      expect(featuresOf(loadPublishedEncoder("resnet10", weights).network)).toEqual(featuresOf(network));
      expect(server.requests.filter((line) => /README|\.bin/.test(line))).toEqual([]);
      server.behaviour.files = { "other.pth": Buffer.from("x") };
      await expect(findEncoderWeights("hf:someone/model")).rejects.toThrow(
        /name one, as in hf:someone\/model\/other.pth/,
      );
    } finally {
      vi.unstubAllEnvs();
      await server.stop();
    }
  });

  test("of transformers that are not here are refused by what they are", async () => {
    torch.manualSeed(4);
    const plain = published(new VisionTransformer({ patchSize: 8, imageSize: 24, depth: 1 }));
    const load = async (changes: Record<string, Tensor>, without: RegExp, name: "vit-small" | "vit-base") => {
      const kept = Object.entries(plain).filter(([key]) => !without.test(key));
      safetensors.write(at("other.safetensors"), { ...Object.fromEntries(kept), ...changes });
      return loadPublishedEncoder(name, await findEncoderWeights(at("other.safetensors")));
    };
    const block = (name: string, ...shape: number[]) => ({
      [`blocks.0.mlp.${name}.weight`]: torch.zeros(shape),
    });
    const gated = [
      block("w12", 16, 384), // facebookresearch's DINOv2
      block("w1", 8, 384), // and DINOv3
      block("weights_in", 16, 384), // transformers' DINOv2
      block("gate_proj", 8, 384), // and DINOv3
      block("fc1_g", 8, 384), // timm's Eva
      { ...block("fc1", 16, 384), ...block("fc2", 384, 8) }, // timm's DINOv2
    ];
    for (const own of gated)
      await expect(load(own, /mlp/, "vit-small")).rejects.toThrow(
        /other.safetensors holds .*gated MLPs \(SwiGLU\), as DINOv2's giant/,
      );
    const width = (dimensions: number) => ({ cls_token: torch.zeros([1, 1, dimensions]) });
    await expect(load(width(1280), /^$/, "vit-base")).rejects.toThrow(
      /of 1280 dimensions \(ViT-H\).*vit-base/,
    );
    await expect(load(width(1024), /^$/, "vit-base")).rejects.toThrow(/of ViT-L. Set .* to vit-large/);
    await expect(load(width(99), /^$/, "vit-base")).rejects.toThrow(/of 99 dimensions; the networks here/);
    await expect(load({}, /^$/, "vit-base")).rejects.toThrow(/of ViT-S. Set "encoder.network" to vit-small/);
  });

  test("tell a transformer's patch, registers, LayerScale and grid", async () => {
    torch.manualSeed(3);
    const sizes = { patchSize: 8, imageSize: 24, registers: 2, embedsPrefix: false };
    const network = new VisionTransformer({ ...sizes, layerScale: 0.1, classes: 3 });
    safetensors.write(at("vit.safetensors"), published(network));
    const loaded = loadPublishedEncoder("vit-small", await findEncoderWeights(at("vit.safetensors")));
    expect(loaded.sizes).toEqual({ ...sizes, hasLayerScale: true, positions: "learned", qkvBias: true });
    expect(featuresOf(loaded.network)).toEqual(featuresOf(network));
  });

  test("have EfficientNet-PyTorch's names too", async () => {
    torch.manualSeed(4);
    const network = new EfficientNetLite({ classes: 5 });
    const renamed = Object.fromEntries(
      Object.entries(published(network)).map(([key, tensor]) => [flatName(key), tensor]),
    );
    expect(Object.keys(renamed)).toEqual(expect.arrayContaining(["_conv_stem.weight", "_fc.bias"]));
    save(renamed, at("lite0.pth"));
    const weights = await findEncoderWeights(at("lite0.pth"));
    const { network: loaded } = loadPublishedEncoder("efficientnet-lite0", weights);
    expect(featuresOf(loaded)).toEqual(featuresOf(network));
  });

  test("have the hash of their contents", async () => {
    safetensors.write(at("a.safetensors"), { x: torch.ones([2]) });
    safetensors.write(at("b.safetensors"), { x: torch.ones([2]) });
    safetensors.write(at("c.safetensors"), { x: torch.zeros([2]) });
    const [a, b, c] = await Promise.all(
      ["a", "b", "c"].map(async (name) => (await findEncoderWeights(at(`${name}.safetensors`))).hash),
    );
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });
});

describe("refused is", () => {
  test("a file of another network, with all names that are missing, too many or of another shape", async () => {
    const state = published(new ResNet({ depth: 18, width: 8 }));
    state["layer1.0.conv1.weight"] = torch.zeros([8, 8, 5, 5]);
    safetensors.write(at("other.safetensors"), state);
    await writeFile(at("config.json"), JSON.stringify({ architecture: "resnet18" }));
    const weights = await findEncoderWeights(at("other.safetensors"));
    await rm(at("config.json"));
    expect(() => loadPublishedEncoder("resnet34", weights)).toThrow(
      /set "encoder.network" to resnet18.*missing.*layer1\.2\.conv1\.weight/s,
    );
    expect(() => loadPublishedEncoder("resnet10", weights)).toThrow(/unexpected.*layer1\.1\.conv1\.weight/s);
    expect(() => loadPublishedEncoder("resnet18", weights)).toThrow(
      /of another shape \(1\):.*layer1\.0\.conv1\.weight: \[8, 8, 5, 5\] given, \[8, 8, 3, 3\] needed/s,
    );
  });

  test("a pickle with code, without running it", async () => {
    const weights = await findEncoderWeights(untrusted);
    expect(() => loadPublishedEncoder("resnet18", weights)).toThrow(/print/);
  });

  test("a path without weights, and a folder without any", async () => {
    await expect(findEncoderWeights(at("none.safetensors"))).rejects.toThrow(/no weights at .*none/);
    const empty = await mkdtemp(join(folder, "empty-"));
    await expect(findEncoderWeights(empty)).rejects.toThrow(/holds no weights/);
  });
});

/** timm's name in the flat numbering of EfficientNet-PyTorch. */
function flatName(key: string): string {
  const starts = [0, 1, 3, 5, 8, 11, 15];
  const [, stage, block, part, rest] = /^blocks\.(\d)\.(\d)\.(\w+)\.(.+)$/.exec(key) ?? [];
  if (stage !== undefined) {
    const first: Record<string, string> = {
      ...{ conv_dw: "_depthwise_conv", bn1: "_bn1", conv_pw: "_project_conv", bn2: "_bn2" },
    };
    const others: Record<string, string> = {
      ...{ conv_pw: "_expand_conv", bn1: "_bn0", conv_dw: "_depthwise_conv", bn2: "_bn1" },
      ...{ conv_pwl: "_project_conv", bn3: "_bn2" },
    };
    const index = (starts[Number(stage)] as number) + Number(block);
    return `_blocks.${index}.${(index === 0 ? first : others)[part as string]}.${rest}`;
  }
  const outer = {
    conv_stem: "_conv_stem",
    bn1: "_bn0",
    conv_head: "_conv_head",
    bn2: "_bn1",
    classifier: "_fc",
  };
  return key.replace(/^\w+/, (name) => outer[name as keyof typeof outer]);
}

test("the network is recognised by what its weights fit, or by the config.json; others are refused", async () => {
  torch.manualSeed(7);
  for (const [name, network] of [
    ["resnet10", new ResNet({ depth: 10, width: 8 })],
    ["resnet50", new ResNet({ depth: 50, width: 8 })],
    ["efficientnet-lite0", new EfficientNetLite()],
  ] as const) {
    safetensors.write(at("any.safetensors"), published(network));
    expect(recogniseEncoder(await findEncoderWeights(at("any.safetensors"))).name).toBe(name);
  }
  safetensors.write(at("any.safetensors"), { "layer.weight": torch.ones([2, 2]) });
  const strange = await findEncoderWeights(at("any.safetensors"));
  expect(() => recogniseEncoder(strange)).toThrow(/holds weights of none of the networks here \(resnet10/);
});
