import { arange, fromTyped, type Random, scope, type Tensor } from "@penumbra/torch";

/** Numbers of an array as an int64 tensor on a device. */
export function indices(items: readonly number[], device: string): Tensor {
  return scope(() => fromTyped(BigInt64Array.from(items, BigInt), [items.length]).to(device));
}

/**
 * Square crops at random places, half of them mirrored, in one gather on the images' device.
 *
 * The place is the mean of two uniform draws: the middle, where the object is, comes up more often than the
 * corners.
 *
 * @param images uint8 [N, 3, S, S]
 * @param items which images
 * @param size edge of the crops; S gives whole images
 * @param random draws on the host, one triple per item
 * @returns float32 [B, 3, size, size] in -1..1, channels-last
 */
export function randomCrops(images: Tensor, items: readonly number[], size: number, random: Random): Tensor {
  const edge = images.shape[2]!;
  const device = images.device;
  return scope(() => {
    const place = () => Math.floor(0.5 * (edge - size + 1) * (random.uniform() + random.uniform()));
    const tops: number[] = [];
    const lefts: number[] = [];
    const signs: number[] = [];
    for (const _ of items) {
      const left = place();
      const mirrored = random.uniform() < 0.5;
      tops.push(place());
      lefts.push(mirrored ? left + size - 1 : left);
      signs.push(mirrored ? -1 : 1);
    }
    // One transfer for all four columns.
    const plan = indices([...items, ...tops, ...lefts, ...signs], device).view([4, items.length, 1, 1]);
    const steps = arange(size, { dtype: "int64", device });
    const rows = plan.select(0, 1).add(steps.view([1, size, 1])); // [B, size, 1]
    const columns = plan.select(0, 2).add(plan.select(0, 3).mul(steps.view([1, 1, size]))); // [B, 1, size]
    const crops = images.permute([0, 2, 3, 1]).index([plan.select(0, 0), rows, columns]); // [B, size, size, 3]
    // Seen as [B, 3, size, size] this memory is channels-last already.
    return crops.to("float32").div(127.5).sub(1).permute([0, 3, 1, 2]);
  });
}
