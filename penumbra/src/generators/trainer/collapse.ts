import { noGrad, scope, type Tensor } from "@penumbra/torch";

/** Below this share of the photos' own distances samples count as one image over and over. */
const COLLAPSED = 0.3;

/** Edge to which images are averaged down before they are compared. */
const EDGE = 16;

/**
 * How different drawn images are from each other: their mean distance in pairs over that of the photos. About 1 where
 * they vary as photos do; near 0 after mode collapse.
 *
 * @param drawn float [N, 3, S, S] @param photos float [M, 3, S, S]; two or more each
 */
export function diversity(drawn: Tensor, photos: Tensor): number {
  return noGrad(() => scope(() => meanDistance(drawn) / Math.max(1e-12, meanDistance(photos))));
}

function meanDistance(images: Tensor): number {
  const [count, , size] = images.shape as [number, number, number, number];
  const small = size > EDGE ? images.adaptiveAvgPool2d([EDGE, EDGE]) : images;
  const rows = small.flatten({ startDim: 1 }).to("float32");
  const products = rows.matmul(rows.t());
  const norms = rows.square().sum([1]);
  const squares = norms.unsqueeze(1).add(norms.unsqueeze(0)).sub(products.mul(2)).clamp({ min: 0 });
  return squares.sqrt().sum().item() / (count * (count - 1));
}

/** Whether samples of such a diversity are nearly one image over and over. */
export function isCollapsed(share: number): boolean {
  return share < COLLAPSED;
}

/** What to say of a diversity; null where all is well. */
export function collapseNote(share: number): string | null {
  if (!isCollapsed(share)) return null;
  return `Mode collapse: its images differ from each other by ${(100 * share).toFixed(0)} % of what photos do, so they are nearly one image over and over. Train with augment, a larger r1 or a lower learningRate, or use another generator.`;
}
