import { arange, type Generator, rand, randint, scope, type Tensor } from "@penumbra/torch";

/** Largest shift and edge of the hole, as shares of the image's edge. */
const SHIFT = 1 / 8;
const HOLE = 1 / 2;

/**
 * Differentiable augmentation (Zhao et al. 2020): brightness, saturation and contrast, a shift, a hole of half the
 * edge, drawn for each image. Real and drawn images go through it alike, in both networks' steps, so that few photos
 * cannot be learned by heart, and what it does is not what is drawn.
 *
 * @param images [B, 3, H, W] in -1..1
 */
export function diffAugment(images: Tensor, generator: Generator): Tensor {
  return scope(() => hole(shift(colour(images, generator), generator), generator));
}

function colour(images: Tensor, generator: Generator): Tensor {
  const draws = rand([3, images.shape[0]!, 1, 1, 1], { generator, device: images.device });
  const [brightness, saturation, contrast] = draws.unbind() as [Tensor, Tensor, Tensor];
  const bright = images.add(brightness.sub(0.5));
  const grey = bright.mean([1], { keepdim: true });
  const coloured = bright.sub(grey).mul(saturation.mul(2)).add(grey);
  const middle = coloured.mean([1, 2, 3], { keepdim: true });
  return coloured.sub(middle).mul(contrast.add(0.5)).add(middle);
}

function shift(images: Tensor, generator: Generator): Tensor {
  const [count, , height, width] = images.shape as [number, number, number, number];
  const [most, across] = [height, width].map((edge) => Math.round(edge * SHIFT)) as [number, number];
  const { device } = images;
  const options = { generator, device, dtype: "int64" } as const;
  const tops = randint(2 * most + 1, [count, 1, 1], options);
  const lefts = randint(2 * across + 1, [count, 1, 1], options);
  const along = (edge: number) => arange(edge, { dtype: "int64", device });
  const rows = along(height).view([1, height, 1]).add(tops);
  const columns = along(width).view([1, 1, width]).add(lefts);
  const padded = images.constantPadNd([across, across, most, most]).permute([0, 2, 3, 1]);
  return padded.index([along(count).view([count, 1, 1]), rows, columns]).permute([0, 3, 1, 2]);
}

function hole(images: Tensor, generator: Generator): Tensor {
  const [count, , height, width] = images.shape as [number, number, number, number];
  const { device } = images;
  const inside = (edge: number, shape: number[]) => {
    const size = Math.round(edge * HOLE);
    // The hole's middle may lie anywhere: at the border half of it is outside.
    const middle = randint(edge + 1, [count, 1, 1], { generator, device, dtype: "int64" });
    const distance = arange(edge, { dtype: "int64", device }).view(shape).sub(middle);
    return distance.ge(-Math.floor(size / 2)).logicalAnd(distance.lt(size - Math.floor(size / 2)));
  };
  const mask = inside(height, [1, height, 1]).logicalAnd(inside(width, [1, 1, width])); // [B, H, W]
  return images.mul(mask.logicalNot().to(images.dtype).unsqueeze(1));
}
