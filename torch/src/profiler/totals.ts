import type { ProfilerEvent, ProfilerEventKind } from "./events.ts";

export interface TotalsOptions {
  /** Calls with inputs of different shapes stand in rows of their own; for profiles with `shapes`. Default false. */
  groupByShapes?: boolean;
}

/** All calls of one name. Times in µs. */
export interface OperatorTotals {
  readonly name: string;
  readonly kind: ProfilerEventKind;
  /** Null where calls of all shapes are counted together. */
  readonly shapes: string | null;
  readonly calls: number;
  /** With the calls that they made; one within another of the same row is not counted twice. */
  readonly totalUs: number;
  /** Without the calls that they made. */
  readonly selfUs: number;
  /** Of one call: totalUs / calls. */
  readonly averageUs: number;
  /** Bytes given less bytes given back, with the calls that they made, by device; counted once as `totalUs` is. */
  readonly bytes: ReadonlyMap<string, number>;
  readonly selfBytes: ReadonlyMap<string, number>;
}

/** Sums by name (and shapes), the most time of their own first. */
export function totalsOf(
  events: readonly ProfilerEvent[],
  { groupByShapes = false }: TotalsOptions = {},
): readonly OperatorTotals[] {
  const keyOf = ({ kind, name, shapes }: ProfilerEvent) => `${kind} ${name} ${groupByShapes ? shapes : ""}`;
  const groups = new Map<string, ProfilerEvent[]>();
  for (const event of events) {
    const group = groups.get(keyOf(event));
    if (group) group.push(event);
    else groups.set(keyOf(event), [event]);
  }
  const isWithinItsLike = (event: ProfilerEvent) => {
    const key = keyOf(event);
    for (let outer = event.parent; outer; outer = outer.parent) if (keyOf(outer) === key) return true;
    return false;
  };
  const rows = [...groups.values()].map((group): OperatorTotals => {
    const outermost = group.filter((event) => !isWithinItsLike(event));
    const totalUs = outermost.reduce((sum, { durationUs }) => sum + durationUs, 0);
    const { name, kind, shapes } = group[0]!;
    return {
      name,
      kind,
      shapes: groupByShapes ? shapes : null,
      calls: group.length,
      totalUs,
      selfUs: group.reduce((sum, { selfUs }) => sum + selfUs, 0),
      averageUs: totalUs / group.length,
      bytes: sumOf(outermost.map(({ bytes }) => bytes)),
      selfBytes: sumOf(group.map(({ selfBytes }) => selfBytes)),
    };
  });
  return rows.sort((a, b) => b.selfUs - a.selfUs);
}

function sumOf(maps: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>();
  for (const map of maps) for (const [device, bytes] of map) sum.set(device, (sum.get(device) ?? 0) + bytes);
  return sum;
}
