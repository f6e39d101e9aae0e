import { cat, randn } from "@penumbra/torch";
import { expect, test } from "vitest";
import { AutoencoderKL } from "../../src/models/index.ts";
import { tiled } from "../../src/models/tiles.ts";
import { eachGolden, expectClose } from "../goldens.ts";

test.each([
  [8, 8],
  [20, 33],
  [16, 9],
])("what looks at one position alone is the same in tiles, for %i x %i positions", (height, width) => {
  const latents = randn([2, 3, height, width]);
  const grow = (x: typeof latents) => x.upsampleNearest2d(x.shape.slice(2).map((side) => 4 * side));
  expectClose(tiled(latents, { side: 8, scale: 4 }, grow), grow(latents), 1e-6);
  const shrink = (x: typeof latents) => x.avgPool2d([4, 4]);
  const images = grow(latents);
  expectClose(tiled(images, { side: 32, scale: 1 / 4 }, shrink), shrink(images), 1e-6);
});

test("an autoencoder's images in tiles have their size and are near those of the whole", () => {
  const vae = new AutoencoderKL({
    ...{ latent_channels: 4, block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 8 },
  }).eval();
  const latents = randn([1, 4, 24, 16]);
  const whole = vae.decode(latents);
  const tiles = tiled(latents, { side: 16, scale: vae.factor }, (tile) => vae.decode(tile));
  expect(tiles.shape).toEqual(whole.shape);
  expect(tiles.sub(whole).abs().mean().item()).toBeLessThan(whole.abs().mean().item());
  expect(tiled(latents, { side: 24, scale: 2 }, (tile) => vae.decode(tile)).toNumbers()).toEqual(
    whole.toNumbers(),
  );
});

// Written by tiled_autoencoder.py.
eachGolden("tiles", "tiled-autoencoder", ({ json, tensors }) => {
  const vae = new AutoencoderKL(json.config as object).eval();
  const weights = Object.entries(tensors).filter(([name]) => name.startsWith("vae."));
  vae.loadStateDict(Object.fromEntries(weights.map(([name, tensor]) => [name.slice("vae.".length), tensor])));
  const side = json.side as number;
  const moments = tiled(tensors.images!, { side, scale: 1 / vae.factor }, (tile) => {
    const { mean, logvar } = vae.encode(tile);
    return cat([mean, logvar], { dim: 1 });
  });
  expectClose(moments, cat([tensors.mean!, tensors.logvar!], { dim: 1 }), json.rtol);
  const decoded = tiled(tensors.latents!, { side: side / vae.factor, scale: vae.factor }, (tile) =>
    vae.decode(tile),
  );
  expectClose(decoded, tensors.decoded!, json.rtol);
});
