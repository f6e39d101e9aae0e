import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { arange, embedding, embeddingBag, empty, scope, TorchError } from "../tensor/index.ts";
import { type InitOptions, normal_ } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";
import { checkSizes } from "./sizes.ts";

/**
 * A table of vectors, looked up by number: int64 [...] -> [..., dim]. The rows are standard normal at first.
 */
export class Embedding extends Module {
  readonly weight: Tensor;
  readonly #paddingIdx: number;

  /** @param options.paddingIdx a row that is zero at first and gets no gradient; default none */
  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    { paddingIdx = null, generator = null }: { paddingIdx?: number | null } & InitOptions = {},
  ) {
    super();
    checkSizes("Embedding", { numEmbeddings, embeddingDim });
    this.weight = parameter(normal_(empty([numEmbeddings, embeddingDim]), 0, 1, { generator }));
    this.#paddingIdx = paddingIdx ?? -1; // ATen's sign for none
    if (paddingIdx !== null) noGrad(() => scope(() => void this.weight.setAt(paddingIdx, 0)));
  }

  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, { paddingIdx: this.#paddingIdx });
  }
}

const BAG_MODES = { sum: 0, mean: 1, max: 2 } as const;

export interface EmbeddingBagOptions extends InitOptions {
  /** How the vectors of a bag are put together. Default "mean". */
  mode?: keyof typeof BAG_MODES;
  /** A row that is left out of every bag, is zero at first and gets no gradient. Default none. */
  paddingIdx?: number | null;
  /** Whether `offsets` ends with the number of ids. Default false. */
  includeLastOffset?: boolean;
}

/** Sums, means or maxima of the vectors of bags of numbers, without the vectors in between. Rows are standard normal at first. */
export class EmbeddingBag extends Module<[ids: Tensor, options?: BagOptions]> {
  readonly weight: Tensor;
  readonly mode: keyof typeof BAG_MODES;
  readonly #paddingIdx: number | null;
  readonly #includeLastOffset: boolean;

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    {
      mode = "mean",
      paddingIdx = null,
      includeLastOffset = false,
      generator = null,
    }: EmbeddingBagOptions = {},
  ) {
    super();
    checkSizes("EmbeddingBag", { numEmbeddings, embeddingDim });
    this.mode = mode;
    this.weight = parameter(normal_(empty([numEmbeddings, embeddingDim]), 0, 1, { generator }));
    this.#paddingIdx = paddingIdx;
    this.#includeLastOffset = includeLastOffset;
    if (paddingIdx !== null) noGrad(() => scope(() => void this.weight.setAt(paddingIdx, 0)));
  }

  /**
   * @param ids int64 [B, N], a bag a row; or [M], with `offsets`
   * @returns [B, dim]
   * @throws TorchError for one dimension without offsets, or two with them
   */
  forward(ids: Tensor, { offsets = null, perSampleWeights = null }: BagOptions = {}): Tensor {
    return embedBags(ids, this.weight, {
      offsets,
      perSampleWeights,
      mode: this.mode,
      paddingIdx: this.#paddingIdx,
      includeLastOffset: this.#includeLastOffset,
    });
  }
}

/**
 * nn.EmbeddingBag as a function, with the vectors in `weight` [N, D].
 * @throws TorchError as EmbeddingBag's forward does
 */
export function embedBags(
  ids: Tensor,
  weight: Tensor,
  {
    offsets = null,
    perSampleWeights = null,
    mode = "mean",
    paddingIdx = null,
    includeLastOffset = false,
  }: BagOptions & Omit<EmbeddingBagOptions, "generator"> = {},
): Tensor {
  if ((ids.ndim === 1) !== (offsets !== null) || ids.ndim > 2) {
    throw new TorchError(
      `EmbeddingBag was given ids [${ids.shape}] and ${offsets ? "" : "no "}offsets. Pass [B, N] alone, or [M] with the offsets at which bags begin.`,
    );
  }
  const [bags, size] = ids.shape as [number, number];
  const begins = offsets ?? arange(bags, { dtype: ids.dtype, device: ids.device }).mul(size);
  return embeddingBag(
    weight,
    offsets ? ids : ids.reshape([-1]),
    begins,
    false,
    BAG_MODES[mode],
    false,
    offsets || !perSampleWeights ? perSampleWeights : perSampleWeights.reshape([-1]),
    includeLastOffset,
    paddingIdx,
  )[0];
}

export interface BagOptions {
  /** int64 [B]: where each bag begins among ids of one dimension. */
  offsets?: Tensor | null;
  /** Of the ids' shape: what each vector is multiplied with; for the mode "sum". */
  perSampleWeights?: Tensor | null;
}
