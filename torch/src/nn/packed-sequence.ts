import {
  _packPaddedSequence,
  _padPackedSequence,
  padSequence as padTensors,
  type Tensor,
  TorchError,
  tensor,
} from "../tensor/index.ts";

/**
 * Sequences of different lengths without padding, for RNN, GRU and LSTM: what all of them have at time 0, then what those
 * that last longer have at time 1, and so on; the longest sequence first.
 */
export class PackedSequence {
  constructor(
    /** [sum of the lengths, ...] */
    readonly data: Tensor,
    /** int64 [longest length]: how many sequences last to each time. */
    readonly batchSizes: Tensor,
    /** int64 [B]: the sequence that stands at each place, where they were sorted. */
    readonly sortedIndices: Tensor | null = null,
    /** int64 [B]: the place of each sequence. */
    readonly unsortedIndices: Tensor | null = null,
  ) {}

  /** The same times of the same sequences with other data, [sum of the lengths, ...]. */
  with(data: Tensor): PackedSequence {
    return new PackedSequence(data, this.batchSizes, this.sortedIndices, this.unsortedIndices);
  }

  /** How many sequences there are. */
  get batch(): number {
    return this.batchSizes.at(0).item();
  }
}

export interface SequenceOptions {
  /** false for [L, B, ...], as PyTorch has it by default. Default true, as all of this package's layers. */
  batchFirst?: boolean;
}

export interface PackOptions extends SequenceOptions {
  /** Refuses sequences that do not come longest first; otherwise they are sorted, and come back as they were. Default false. */
  enforceSorted?: boolean;
}

/**
 * Packs sequences that are padded to one length.
 *
 * @param x [B, L, ...]
 * @param lengths of the sequences, each 1 … L
 * @throws TorchError for lengths that do not fit, and for unsorted ones where that is asked for
 * @example
 * const packed = nn.packPaddedSequence(x, [3, 5, 2]); // [3, 5, 16]
 * const [outputs, [h]] = lstm.forward(packed);
 * const [padded, lengths] = nn.padPackedSequence(outputs); // [3, 5, 32]
 */
export function packPaddedSequence(
  x: Tensor,
  lengths: Tensor | readonly number[],
  { batchFirst = true, enforceSorted = false }: PackOptions = {},
): PackedSequence {
  const list = Array.isArray(lengths) ? (lengths as readonly number[]) : (lengths as Tensor).toNumbers();
  const [batch, longest] = batchFirst ? x.shape : [x.shape[1], x.shape[0]];
  const fits = (length: number) => Number.isInteger(length) && length >= 1 && length <= (longest ?? 0);
  if (list.length !== batch || !list.every(fits)) {
    throw new TorchError(
      `packPaddedSequence: the lengths [${list.join(", ")}] do not fit [${x.shape.join(", ")}]. ` +
        `Pass ${batch} whole numbers in 1 … ${longest}${batchFirst ? "; { batchFirst: false } is for [L, B, ...]" : ""}.`,
    );
  }
  const isSorted = list.every((length, i) => i === 0 || length <= list[i - 1]!);
  if (enforceSorted && !isSorted)
    throw new TorchError(
      `packPaddedSequence: the lengths [${list.join(", ")}] do not come longest first. Sort the sequences, or leave out enforceSorted.`,
    );
  if (enforceSorted) {
    const [data, batchSizes] = _packPaddedSequence(x, int64(list), batchFirst);
    return new PackedSequence(data, batchSizes);
  }
  const order = list.map((_, i) => i).sort((a, b) => list[b]! - list[a]!); // stable: equal lengths keep their order
  const places: number[] = [];
  order.forEach((sequence, place) => {
    places[sequence] = place;
  });
  const sorted = int64(order).to(x.device);
  const [data, batchSizes] = _packPaddedSequence(
    x.indexSelect(batchFirst ? 0 : 1, sorted),
    int64(order.map((sequence) => list[sequence]!)),
    batchFirst,
  );
  return new PackedSequence(data, batchSizes, sorted, int64(places).to(x.device));
}

/**
 * The reverse of `packPaddedSequence`.
 *
 * @param options.paddingValue what fills up shorter sequences; default 0
 * @param options.totalLength of the result; default the longest sequence's
 * @returns [B, L, ...] and the lengths, int64 [B]
 * @throws TorchError where the total length is below the longest sequence's
 */
export function padPackedSequence(
  packed: PackedSequence,
  {
    batchFirst = true,
    paddingValue = 0,
    totalLength,
  }: SequenceOptions & { paddingValue?: number; totalLength?: number } = {},
): [padded: Tensor, lengths: Tensor] {
  const { data, batchSizes, unsortedIndices } = packed;
  const longest = batchSizes.numel;
  if (totalLength !== undefined && totalLength < longest)
    throw new TorchError(
      `padPackedSequence: totalLength ${totalLength} is below the longest sequence, ${longest}. Pass at least that.`,
    );
  const [padded, lengths] = _padPackedSequence(data, batchSizes, batchFirst, paddingValue, totalLength ?? -1);
  if (!unsortedIndices) return [padded, lengths];
  return [
    padded.indexSelect(batchFirst ? 0 : 1, unsortedIndices),
    lengths.indexSelect(0, unsortedIndices.to("cpu")),
  ];
}

/** Sequences [L_i, ...] padded to [B, L, ...]. @param options.paddingValue default 0 */
export function padSequence(
  sequences: readonly Tensor[],
  { batchFirst = true, paddingValue = 0 }: SequenceOptions & { paddingValue?: number } = {},
): Tensor {
  return padTensors(sequences, { batchFirst, paddingValue });
}

/** The reverse of `padSequence`: B views of the first `lengths[i]` elements. */
export function unpadSequence(
  padded: Tensor,
  lengths: Tensor | readonly number[],
  { batchFirst = true }: SequenceOptions = {},
): Tensor[] {
  const list = Array.isArray(lengths) ? (lengths as readonly number[]) : (lengths as Tensor).toNumbers();
  return padded.unbind({ dim: batchFirst ? 0 : 1 }).map((sequence, i) => sequence.narrow(0, 0, list[i]!));
}

/** Packs sequences [L_i, ...]. */
export function packSequence(
  sequences: readonly Tensor[],
  { enforceSorted = false }: Pick<PackOptions, "enforceSorted"> = {},
): PackedSequence {
  const lengths = sequences.map(({ shape }) => shape[0]!);
  return packPaddedSequence(padSequence(sequences), lengths, { enforceSorted });
}

/** The reverse of `packSequence`. */
export function unpackSequence(packed: PackedSequence): Tensor[] {
  return unpadSequence(...padPackedSequence(packed));
}

const int64 = (values: readonly number[]): Tensor => tensor(values, { dtype: "int64" });
