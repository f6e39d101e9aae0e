import * as torch from "@penumbra/torch";
import { keep, scope, type Tensor } from "@penumbra/torch";

/** Places at which an image's noise can begin: with the images of one step, meeting the same twice is rare. */
const STARTS = 2 ** 20;

/** Pools by "device/length": a training run needs one. */
const pools = new Map<string, Tensor>();

/**
 * Standard normal noise that depends, image by image, on the image's seed only, and is the same on every device.
 *
 * Drawing fresh numbers costs five times more than all else that augmentation does to colours. So a fixed pool of a
 * million is drawn once, and an image's seed says where in it the image's noise begins: two images see shifted,
 * unaligned windows of the same noise.
 *
 * @param like [B, ...]; gives shape and device
 * @param seeds one per image
 * @returns float32, the shape of `like`
 */
export function gaussianNoise(like: Tensor, seeds: readonly number[]): Tensor {
  const length = like.numel / seeds.length;
  const starts = BigInt64Array.from(seeds, (seed) => BigInt(torch.deriveSeed(seed, "noise") % STARTS));
  return scope(() =>
    poolOf(length, like.device)
      .unfold(0, length, 1) // [STARTS, length], a view: row i begins at number i
      .indexSelect(0, torch.fromTyped(starts, [seeds.length]).to(like.device))
      .view([...like.shape]),
  );
}

function poolOf(length: number, device: string): Tensor {
  const key = `${device}/${length}`;
  const known = pools.get(key);
  if (known) return known;
  const pool = scope(() => {
    const generator = new torch.Generator({ seed: torch.deriveSeed("noise pool") });
    return torch.randn([STARTS + length - 1], { generator }).to(device);
  });
  pools.set(key, keep(pool));
  return pool;
}
