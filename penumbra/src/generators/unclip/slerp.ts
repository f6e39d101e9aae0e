import { scope, type Tensor, where } from "@penumbra/torch";

/** Below this sine two directions count as one, or as opposite. */
const PARALLEL = 1e-4;

/**
 * Spherical interpolation (Shoemake 1985) of directions: sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b for the angle w
 * between them; lengths are interpolated linearly, so that vectors of one length keep it. Opposite directions, between
 * which no way is the shortest, are joined by a straight line.
 *
 * @param from, to [B, D]
 * @param share [B, 1]: 0 gives `from`, 1 `to`
 * @returns [B, D]
 */
export function slerp(from: Tensor, to: Tensor, share: Tensor): Tensor {
  return scope(() => {
    const [first, second] = [from, to].map(lengthOf) as [Tensor, Tensor];
    const [a, b] = [from.div(first), to.div(second)];
    const cosine = a.mul(b).sum([1], { keepdim: true }).clamp({ min: -1, max: 1 });
    const angle = cosine.acos();
    const sine = angle.sin();
    const rest = share.neg().add(1);
    const isParallel = sine.lt(PARALLEL);
    const safe = sine.clamp({ min: PARALLEL });
    const weight = (part: Tensor) => where(isParallel, part, part.mul(angle).sin().div(safe));
    const direction = a.mul(weight(rest)).add(b.mul(weight(share)));
    return direction.mul(first.mul(rest).add(second.mul(share)));
  });
}

/** [B, 1], at least a tiny one. */
function lengthOf(vectors: Tensor): Tensor {
  return vectors.square().sum([1], { keepdim: true }).sqrt().clamp({ min: 1e-12 });
}

/**
 * What turns one text into another (Ramesh et al. 2022, section 3.3): the direction of the difference of their
 * embeddings of length 1, as long as the image's embedding that is to be turned towards it.
 *
 * @param image, from, to [B, D]
 */
export function textDifference(image: Tensor, from: Tensor, to: Tensor): Tensor {
  return scope(() => {
    const difference = to.div(lengthOf(to)).sub(from.div(lengthOf(from)));
    return difference.div(lengthOf(difference)).mul(lengthOf(image));
  });
}
