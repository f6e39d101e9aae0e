import { describe, expect, test } from "vitest";
import { ARCHITECTURES } from "../../../src/generators/index.ts";
import { requireChannels } from "../../../src/models/index.ts";

describe.each(Object.entries(ARCHITECTURES))("the architecture %s", (_, { vae, unet, text }) => {
  test("has channels that the kernels bear, and that its groups divide", () => {
    for (const channels of [...vae.block_out_channels, ...unet.block_out_channels])
      expect(() => requireChannels(channels, "A level")).not.toThrow();
    for (const channels of vae.block_out_channels) expect(channels % vae.norm_num_groups).toBe(0);
    for (const channels of unet.block_out_channels) expect(channels % unet.norm_num_groups).toBe(0);
  });

  test("has parts that fit together", () => {
    expect(unet.in_channels).toBe(vae.latent_channels);
    expect(unet.cross_attention_dim).toBe(text.hidden_size);
  });
});
