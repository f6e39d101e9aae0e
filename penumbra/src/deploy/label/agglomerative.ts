/** Two clusters become one. Clusters 0 … n-1 are the items, n + i is what merge i made. */
export interface Merge {
  readonly first: number;
  readonly second: number;
  /** Mean distance between an item of the one and an item of the other. */
  readonly distance: number;
}

/**
 * Agglomerative clustering with average linkage (UPGMA; Sokal and Michener 1958), by the nearest-neighbour chain
 * (Benzécri 1982; Müllner 2011, "Modern hierarchical, agglomerative clustering algorithms", section 3.2): n^2 steps.
 *
 * @param distances symmetric, n rows of n; is used up
 * @returns n - 1 merges, by ascending distance
 */
export function averageLinkage(distances: Float64Array, n: number): Merge[] {
  if (distances.length !== n * n)
    throw new RangeError(`${distances.length} distances are not those of ${n} items. Pass n * n.`);
  const sizes = new Float64Array(n).fill(1);
  const isActive = new Uint8Array(n).fill(1);
  const found: { readonly a: number; readonly b: number; readonly distance: number }[] = [];
  const chain: number[] = [];
  for (let merges = 0; merges < n - 1; merges++) {
    if (chain.length === 0) chain.push(isActive.indexOf(1));
    for (;;) {
      const top = chain.at(-1)!;
      const before = chain.at(-2);
      // The one before wins ties: without that the chain would run in circles.
      let nearest = before ?? -1;
      let least = before === undefined ? Number.POSITIVE_INFINITY : distances[top * n + before]!;
      for (let other = 0; other < n; other++) {
        if (!isActive[other] || other === top) continue;
        const distance = distances[top * n + other]!;
        if (distance < least) [nearest, least] = [other, distance];
      }
      if (nearest === before) break;
      chain.push(nearest);
    }
    const [a, b] = [chain.pop()!, chain.pop()!];
    const distance = distances[a * n + b]!;
    found.push({ a, b, distance });
    // b stands for both from now on.
    const [sizeA, sizeB] = [sizes[a]!, sizes[b]!];
    isActive[a] = 0;
    sizes[b] = sizeA + sizeB;
    for (let other = 0; other < n; other++) {
      if (!isActive[other] || other === b) continue;
      const mean = (sizeA * distances[a * n + other]! + sizeB * distances[b * n + other]!) / (sizeA + sizeB);
      distances[b * n + other] = mean;
      distances[other * n + b] = mean;
    }
  }
  return numbered(found, n);
}

/** Merges in the order of their distances, with the numbers of the clusters that they join. */
function numbered(
  found: readonly { readonly a: number; readonly b: number; readonly distance: number }[],
  n: number,
): Merge[] {
  const parent = Array.from({ length: n }, (_, item) => item);
  const clusterOf = Array.from({ length: n }, (_, item) => item); // of the item that stands for it
  const rootOf = (item: number): number => {
    let root = item;
    while (parent[root] !== root) root = parent[root]!;
    return root;
  };
  return [...found]
    .sort((x, y) => x.distance - y.distance)
    .map(({ a, b, distance }, index) => {
      const [rootA, rootB] = [rootOf(a), rootOf(b)];
      const [first, second] = [clusterOf[rootA]!, clusterOf[rootB]!].sort((x, y) => x - y) as [
        number,
        number,
      ];
      parent[rootA] = rootB;
      clusterOf[rootB] = n + index;
      return { first, second, distance };
    });
}

/**
 * The clusters whose items lie within a distance of each other on average: every merge up to it is made.
 * @returns items of each cluster ascending; the largest clusters first, then by their first item
 */
export function clustersWithin(merges: readonly Merge[], n: number, distance: number): number[][] {
  const clusters = new Map<number, number[]>(Array.from({ length: n }, (_, item) => [item, [item]]));
  for (const [index, merge] of merges.entries()) {
    if (merge.distance > distance) break;
    const together = [...clusters.get(merge.first)!, ...clusters.get(merge.second)!];
    clusters.delete(merge.first);
    clusters.delete(merge.second);
    clusters.set(
      n + index,
      together.sort((a, b) => a - b),
    );
  }
  return [...clusters.values()].sort((a, b) => b.length - a.length || a[0]! - b[0]!);
}
