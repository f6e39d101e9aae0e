import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { embedding, empty, scope } from "../tensor/index.ts";
import { type InitOptions, normal_ } from "./init.ts";
import { Module } from "./module.ts";
import { parameter } from "./parameter.ts";

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
    this.weight = parameter(normal_(empty([numEmbeddings, embeddingDim]), 0, 1, { generator }));
    this.#paddingIdx = paddingIdx ?? -1; // ATen's sign for none
    if (paddingIdx !== null) noGrad(() => scope(() => void this.weight.setAt(paddingIdx, 0)));
  }

  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, { paddingIdx: this.#paddingIdx });
  }
}
