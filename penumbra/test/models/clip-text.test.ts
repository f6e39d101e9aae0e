import { manualSeed, noGrad, randn, type Tensor, tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { CLIPTextModel, findNetwork, loadWeights, ownTextKey } from "../../src/models/index.ts";
import { expectClose } from "../goldens.ts";
import { eachSdGolden, need } from "../sd-goldens.ts";

const tiny = {
  vocab_size: 10,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
};

describe("CLIPTextModel", () => {
  eachSdGolden("last_hidden_state", (golden, model) => {
    const { config, configFile, weightsFile } = findNetwork(`${model}/text_encoder`);
    const text = new CLIPTextModel(config, configFile);
    loadWeights(text, weightsFile, ownTextKey);
    const context = noGrad(() => text.forward(need(golden, "ids")));
    expectClose(context, golden.tensors.last_hidden_state, golden.json.rtol);
  });

  test("a token sees itself and those before it only", () => {
    manualSeed(1);
    const text = new CLIPTextModel(tiny).eval();
    const encode = (ids: number[]) => text.forward(tensor([ids], { dtype: "int64" }));
    const [short, long] = [encode([1, 2, 3, 4]), encode([1, 2, 3, 9])];
    const difference = (from: number, to: number) =>
      short
        .narrow(1, from, to - from)
        .sub(long.narrow(1, from, to - from))
        .abs()
        .max()
        .item();
    expect(difference(0, 3)).toBeLessThan(1e-6);
    expect(difference(3, 4)).toBeGreaterThan(1e-3);
  });

  test("words beyond the table take the given vectors, and only those get their gradient", () => {
    manualSeed(2);
    const text = new CLIPTextModel(tiny).eval();
    const table = text.embeddings.tokenEmbedding.weight;
    const ids = (last: number) => tensor([[1, 2, last]], { dtype: "int64" });
    const known = text.forward(ids(7));
    const words = table.detach().narrow(0, 7, 1).clone().requiresGrad_();
    const added = text.forward(ids(10), { words });
    expectClose(added, known, 1e-6);

    text.requiresGrad_(false);
    const unused = randn([1, 8]).requiresGrad_();
    text.forward(ids(7), { words: unused }).sum().backward();
    expect((unused.grad as Tensor).abs().max().item()).toBe(0);
    text.forward(ids(10), { words }).pow(2).sum().backward();
    expect((words.grad as Tensor).abs().max().item()).toBeGreaterThan(0);
    expect(table.grad).toBeNull();
  });

  test("refuses values that are not implemented, naming file and field", () => {
    expect(() => new CLIPTextModel({ hidden_act: "relu" }, "text_encoder/config.json")).toThrow(
      /text_encoder\/config\.json: field "hidden_act" is "relu": only "quick_gelu" or "gelu"/,
    );
    expect(() => new CLIPTextModel({ ...tiny, num_attention_heads: 3 })).toThrow(
      /"num_attention_heads" is 3/,
    );
  });
});
