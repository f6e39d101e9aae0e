import { manualSeed, noGrad, randn, zeros } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  AutoencoderKL,
  findNetwork,
  loadWeights,
  ownAttentionKey,
  samplePosterior,
} from "../../src/models/index.ts";
import { expectClose } from "../goldens.ts";
import { eachSdGolden, need } from "../sd-goldens.ts";

const tiny = { block_out_channels: [8, 16, 16], latent_channels: 5, norm_num_groups: 4 };

describe("AutoencoderKL", () => {
  eachSdGolden("logvar", (golden, model) => {
    const { config, configFile, weightsFile } = findNetwork(`${model}/vae`);
    const vae = new AutoencoderKL(config, configFile).eval();
    loadWeights(vae, weightsFile, ownAttentionKey);
    for (const memoryFormat of ["contiguous", "channelsLast"] as const) {
      vae.to({ memoryFormat });
      noGrad(() => {
        const { mean, logvar } = vae.encode(need(golden, "image").to({ memoryFormat }));
        expectClose(mean, golden.tensors.mean, golden.json.rtol, `${memoryFormat} mean`);
        expectClose(logvar, golden.tensors.logvar, golden.json.rtol, `${memoryFormat} logvar`);
        expectClose(vae.decode(mean), golden.tensors.decoded, golden.json.rtol, `${memoryFormat} decoded`);
      });
    }
  });

  test("any number of levels and latent channels: factor 2^(levels - 1), and back to the image's shape", () => {
    manualSeed(0);
    const vae = new AutoencoderKL({ ...tiny, use_quant_conv: false, use_post_quant_conv: false });
    const images = randn([2, 3, 16, 24]);
    const { mean } = vae.encode(images);
    expect(vae.factor).toBe(4);
    expect(mean.shape).toEqual([2, 5, 4, 6]);
    expect(vae.forward(images, randn([2, 5, 4, 6])).shape).toEqual([2, 3, 16, 24]);
  });

  test("a draw from the posterior is mean + exp(logvar / 2) noise", () => {
    const [mean, noise] = [randn([1, 5, 2, 2]), randn([1, 5, 2, 2])];
    const logvar = zeros([1, 5, 2, 2]).add(Math.log(4));
    expectClose(samplePosterior({ mean, logvar }, noise), mean.add(noise.mul(2)), 1e-6);
  });

  test("scaling to unit variance and back is the identity", () => {
    const vae = new AutoencoderKL({ ...tiny, scaling_factor: 0.3, shift_factor: 0.7 });
    const latents = randn([1, 5, 2, 2]);
    expectClose(vae.unscale(vae.scale(latents)), latents, 1e-5);
  });

  test("refuses values that are not implemented, naming file and field", () => {
    const build = (config: object) => () => new AutoencoderKL({ ...tiny, ...config }, "vae/config.json");
    expect(build({ latents_mean: [1, 2] })).toThrow(/vae\/config\.json: field "latents_mean" is \[1,2\]/);
    expect(build({ down_block_types: ["AttnDownEncoderBlock2D"] })).toThrow(/field "down_block_types.0"/);
    expect(build({ down_block_types: ["DownEncoderBlock2D"] })).toThrow(/has 1 entries, but .* has 3/);
    expect(build({ spelled_wrong: 1 })).toThrow(/field "spelled_wrong" is 1: it is not known here/);
  });
});
