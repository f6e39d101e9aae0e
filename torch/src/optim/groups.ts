import type { Tensor } from "../tensor/index.ts";

/**
 * Parameters in two groups: those of two and more dimensions decay, biases and the scales of norms do not.
 * @example new optim.AdamW(optim.weightDecayGroups(model.parameters(), 0.05), { lr: 1e-3 })
 */
export function weightDecayGroups(
  params: Iterable<Tensor>,
  weightDecay: number,
): { params: Tensor[]; weightDecay: number }[] {
  const all = [...params];
  const groups = [
    { params: all.filter(({ ndim }) => ndim >= 2), weightDecay },
    { params: all.filter(({ ndim }) => ndim < 2), weightDecay: 0 },
  ];
  return groups.filter((group) => group.params.length > 0);
}
