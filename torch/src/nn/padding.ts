import type { Tensor } from "../tensor/index.ts";
import { TorchError } from "../tensor/index.ts";
import type { Size } from "./conv.ts";
import { Module } from "./module.ts";
import { sizesOf } from "./sizes.ts";

/**
 * Adds elements at the ends of the last dimensions. Paddings are given as in PyTorch, from the last dimension to the
 * front: [left, right, top, bottom, front, back]; one number stands for all. Negative ones cut off.
 */
abstract class Pad extends Module {
  readonly padding: readonly number[];
  readonly #mode: string;
  readonly #value: number | null;

  constructor(padding: Size, dimensions: number, mode: string, value: number | null = null) {
    super();
    const ends = sizesOf(new.target.name, "the padding", padding);
    this.padding = typeof padding === "number" ? new Array<number>(2 * dimensions).fill(padding) : ends;
    if (this.padding.length !== 2 * dimensions) {
      throw new TorchError(
        `${new.target.name} was given [${this.padding}]. Pass one number, or ${2 * dimensions}.`,
      );
    }
    this.#mode = mode;
    this.#value = value;
  }

  forward(x: Tensor): Tensor {
    return x.pad(this.padding, { mode: this.#mode, value: this.#value });
  }
}

/** Zeros at the ends of [B, C, L]: [left, right]. */
export class ZeroPad1d extends Pad {
  constructor(padding: Size) {
    super(padding, 1, "constant", 0);
  }
}

/** Zeros at the ends of [B, C, H, W]: [left, right, top, bottom]. */
export class ZeroPad2d extends Pad {
  constructor(padding: Size) {
    super(padding, 2, "constant", 0);
  }
}

/** Zeros at the ends of [B, C, D, H, W]: [left, right, top, bottom, front, back]. */
export class ZeroPad3d extends Pad {
  constructor(padding: Size) {
    super(padding, 3, "constant", 0);
  }
}

/** A value at the ends of [B, C, L]: [left, right]. */
export class ConstantPad1d extends Pad {
  constructor(padding: Size, value: number) {
    super(padding, 1, "constant", value);
  }
}

/** A value at the ends of [B, C, H, W]: [left, right, top, bottom]. */
export class ConstantPad2d extends Pad {
  constructor(padding: Size, value: number) {
    super(padding, 2, "constant", value);
  }
}

/** A value at the ends of [B, C, D, H, W]: [left, right, top, bottom, front, back]. */
export class ConstantPad3d extends Pad {
  constructor(padding: Size, value: number) {
    super(padding, 3, "constant", value);
  }
}

/** Mirrors the input at its borders, which are not repeated: 2 1 | 0 1 2 | 1 0. For [B, C, L]: [left, right]. */
export class ReflectionPad1d extends Pad {
  constructor(padding: Size) {
    super(padding, 1, "reflect");
  }
}

/** Mirrors the input at its borders, which are not repeated: 2 1 | 0 1 2 | 1 0. For [B, C, H, W]: [left, right, top, bottom]. */
export class ReflectionPad2d extends Pad {
  constructor(padding: Size) {
    super(padding, 2, "reflect");
  }
}

/** Mirrors the input at its borders, which are not repeated: 2 1 | 0 1 2 | 1 0. For [B, C, D, H, W]: [left, right, top, bottom, front, back]. */
export class ReflectionPad3d extends Pad {
  constructor(padding: Size) {
    super(padding, 3, "reflect");
  }
}

/** Repeats the outermost elements: 0 0 | 0 1 2 | 2 2. For [B, C, L]: [left, right]. */
export class ReplicationPad1d extends Pad {
  constructor(padding: Size) {
    super(padding, 1, "replicate");
  }
}

/** Repeats the outermost elements: 0 0 | 0 1 2 | 2 2. For [B, C, H, W]: [left, right, top, bottom]. */
export class ReplicationPad2d extends Pad {
  constructor(padding: Size) {
    super(padding, 2, "replicate");
  }
}

/** Repeats the outermost elements: 0 0 | 0 1 2 | 2 2. For [B, C, D, H, W]: [left, right, top, bottom, front, back]. */
export class ReplicationPad3d extends Pad {
  constructor(padding: Size) {
    super(padding, 3, "replicate");
  }
}

/** Goes on at the other end: 1 2 | 0 1 2 | 0 1. For [B, C, L]: [left, right]. */
export class CircularPad1d extends Pad {
  constructor(padding: Size) {
    super(padding, 1, "circular");
  }
}

/** Goes on at the other end: 1 2 | 0 1 2 | 0 1. For [B, C, H, W]: [left, right, top, bottom]. */
export class CircularPad2d extends Pad {
  constructor(padding: Size) {
    super(padding, 2, "circular");
  }
}

/** Goes on at the other end: 1 2 | 0 1 2 | 0 1. For [B, C, D, H, W]: [left, right, top, bottom, front, back]. */
export class CircularPad3d extends Pad {
  constructor(padding: Size) {
    super(padding, 3, "circular");
  }
}
