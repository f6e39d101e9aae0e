import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { expect, expectTypeOf, test } from "vitest";

// `tsc` checks what stands here: each line below @ts-expect-error must be refused by the types.
const x = torch.ones([2, 2]);

test("operators have the types of their schemas", () => {
  expectTypeOf(x.add(1)).toEqualTypeOf<Tensor>();
  expectTypeOf(x.max(1)).toEqualTypeOf<[Tensor, Tensor]>();
  expectTypeOf(x.split(1)).toEqualTypeOf<Tensor[]>();
  expectTypeOf(x.dim()).toEqualTypeOf<number>();
  expectTypeOf(x.equal(x)).toEqualTypeOf<boolean>();
  expectTypeOf(x.shape).toEqualTypeOf<readonly number[]>();
  expectTypeOf(torch.scope(() => [x, 1] as const)).toEqualTypeOf<readonly [Tensor, 1]>();
  expectTypeOf(torch.checkpoint((a: Tensor): [Tensor, Tensor] => [a, a], x)).toEqualTypeOf<
    [Tensor, Tensor]
  >();
});

test("wrong arguments are refused by the compiler, and at run time", () => {
  // @ts-expect-error a string is no operand
  expect(() => x.add("1")).toThrow(torch.TorchError);
  // @ts-expect-error no option of this name
  expect(() => x.sum([1], { keepDim: true })).toThrow(torch.TorchError);
  // @ts-expect-error a dtype that does not exist
  expect(() => torch.zeros([2], { dtype: "float31" })).toThrow(torch.TorchError);
  // @ts-expect-error the axis is missing
  expect(() => x.softmax()).toThrow(torch.TorchError);
  // @ts-expect-error a tensor among numbers
  expect(() => x.reshape([x])).toThrow(torch.TorchError);
  // @ts-expect-error shapes are read-only
  expect(() => x.shape.push(1)).not.toThrow();
});
