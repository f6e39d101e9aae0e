const keys = new Map<string, string>();

/**
 * The state-dict key of a property: camelCase becomes snake_case, so that TypeScript's names give PyTorch's keys.
 * `downBlocks` -> `down_blocks`, `toQ` -> `to_q`, `numBatchesTracked` -> `num_batches_tracked`; names that are in
 * snake_case already stay, and so do digits: `conv1` -> `conv1`, `linear_1` -> `linear_1`.
 */
export function keyOf(property: string): string {
  let key = keys.get(property);
  if (key === undefined) {
    key = property.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
    keys.set(property, key);
  }
  return key;
}
