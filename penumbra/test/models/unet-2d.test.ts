import { join } from "node:path";
import { Generator, noGrad, randn, type Tensor, zeros } from "@penumbra/torch";
import { expect, test } from "vitest";
import { UNet2DModel } from "../../src/models/index.ts";
import { eachGolden, expectClose, goldenFolder } from "../goldens.ts";

eachGolden("generators", "ddpm-", ({ tensors, json }) => {
  const unet = UNet2DModel.load(join(goldenFolder, "generators", "tiny-ddpm", "unet"));
  const close = (got: Tensor, name: string) => expectClose(got, tensors[name]!, json.rtol, name);
  const out = unet.forward(tensors.noisy!, tensors.timesteps!);
  close(out, "out");
  const errors = out.sub(tensors.noise!).square();
  close(errors.mean([1, 2, 3]), "loss_per_sample");
  const loss = errors.mean();
  close(loss, "loss");
  loss.backward();
  const norms = json.grad_norms as Record<string, number>;
  const gradients = Object.fromEntries([...unet.namedParameters()].map(([name, { grad }]) => [name, grad!]));
  expect(Object.keys(gradients).sort()).toEqual(Object.keys(norms).sort());
  const largest = Math.max(...Object.values(norms));
  for (const [name, norm] of Object.entries(norms)) {
    const got = gradients[name]!.square().sum().sqrt().item();
    expect(Math.abs(got - norm), name).toBeLessThan(json.rtol * largest);
    const whole = tensors[`grad.${name}`];
    // A key's bias moves all scores of a query alike: its gradient is rounding alone.
    if (whole && norm > 1e-6) close(gradients[name]!, `grad.${name}`);
  }
});

const sizes = {
  ...{ block_out_channels: [8, 16], norm_num_groups: 4, layers_per_block: 1, attention_head_dim: null },
  ...{ down_block_types: ["DownBlock2D", "AttnDownBlock2D"], up_block_types: ["AttnUpBlock2D", "UpBlock2D"] },
};

test("is told a class where it has some, and takes odd sizes", () => {
  const unet = new UNet2DModel({ ...sizes, num_class_embeds: 2 });
  const x = randn([1, 3, 10, 6], { generator: new Generator({ seed: 1 }) });
  const at = (label: number) => noGrad(() => unet.forward(x, 5, zeros([1], { dtype: "int64" }).add(label)));
  expect(at(0).shape).toEqual([1, 3, 10, 6]);
  expect(at(0).sub(at(1)).abs().max().item()).toBeGreaterThan(0);
  expect(() => unet.forward(x, 5)).toThrow(/needs labels/);
});

test("refuses what it does not know, naming the field", () => {
  expect(() => new UNet2DModel({ ...sizes, time_embedding_type: "fourier" })).toThrow(
    /"time_embedding_type" is "fourier": only "positional"/,
  );
  expect(() => new UNet2DModel({ ...sizes, norm_num_groups: 5 })).toThrow(
    /"norm_num_groups" is 5.*does not divide 8/,
  );
  expect(() => new UNet2DModel({ ...sizes, resnet_time_scale_shift: "scale_shift" })).toThrow(
    /"add_attention" is true beside "resnet_time_scale_shift" "scale_shift"/,
  );
  // The first level attends to nothing.
  expect(() => new UNet2DModel({ ...sizes, attention_head_dim: 16 })).not.toThrow();
  expect(() => new UNet2DModel({ ...sizes, attention_head_dim: 5 })).toThrow(
    /"attention_head_dim" is 5.*does not divide 16/,
  );
  expect(() => new UNet2DModel({ ...sizes, up_block_types: ["UpBlock2D"] })).toThrow(
    /"up_block_types" has 1 entries/,
  );
});
