import { describe, expect, test } from "vitest";
import {
  grad,
  keep,
  nn,
  noGrad,
  ones,
  randn,
  scope,
  type Tensor,
  TorchError,
  zeros,
} from "../../src/index.ts";

/** Two layers; what is called how is what the hooks see. */
class Network extends nn.Module<[x: Tensor, scale?: number]> {
  readonly first = new nn.Linear(3, 4);
  readonly second = new nn.Linear(4, 2);
  forward(x: Tensor, scale = 1): Tensor {
    return this.second.forward(this.first.forward(x).tanh()).mul(scale);
  }
}

const close = (actual: Tensor, expected: Tensor) =>
  expect(actual.allclose(expected, { atol: 1e-6 })).toBe(true);

describe("Forward hooks", () => {
  test("see arguments and outputs of every call, in the order in which they were registered", () => {
    scope(() => {
      const model = new Network();
      const told: string[] = [];
      model.registerForwardPreHook((module, args) => {
        expect(module).toBe(model);
        told.push(`pre ${args[0].shape} ${args[1]}`);
        return undefined;
      });
      model.second.registerForwardHook((_, [hidden], output) => {
        told.push(`second ${hidden.shape} -> ${output.shape}`);
        return undefined;
      });
      model.registerForwardHook((_, __, output): undefined => {
        told.push(`one ${output.shape}`);
      });
      model.registerForwardHook((_, __, output): undefined => {
        told.push(`other ${output.shape}`);
      });
      model.forward(ones([5, 3]), 2);
      expect(told).toEqual(["pre 5,3 2", "second 5,4 -> 5,2", "one 5,2", "other 5,2"]);
    });
  });

  test("can put other arguments and another output in the place of what there is", () => {
    scope(() => {
      const model = new Network();
      const x = randn([5, 3]);
      const plain = model.forward(x);
      using pre = model.registerForwardPreHook((_, [input]) => [input.mul(-1), 3]);
      using post = model.registerForwardHook((_, __, output) => output.add(1));
      const negative = model.forward(x);
      pre.remove();
      post.remove();
      close(negative, model.forward(x.mul(-1)).mul(3).add(1));
      expect(model.forward(x).equal(plain)).toBe(true);
    });
  });

  test("are gone when they are removed, and leave the module as it was", () => {
    const model = new Network();
    const before = Object.keys(model.stateDict());
    const { forward } = model;
    let calls = 0;
    const hook = (): undefined => {
      calls += 1;
    };
    const handles = [model.registerForwardHook(hook), model.registerForwardHook(hook)];
    scope(() => void model.forward(ones([1, 3])));
    expect(calls).toBe(2);
    expect(Object.keys(model.stateDict())).toEqual(before);
    for (const handle of [...handles, ...handles]) handle.remove();
    scope(() => void model.forward(ones([1, 3])));
    expect(calls).toBe(2);
    expect(model.forward).toBe(forward);
    expect(Object.getOwnPropertyNames(model)).not.toContain("forward");
  });

  test("work for a forward that is a property, and for layers within Sequential", () => {
    class Arrow extends nn.Module {
      override forward = (x: Tensor): Tensor => x.mul(2);
    }
    scope(() => {
      const arrow = new Arrow();
      const own = arrow.forward;
      const handle = arrow.registerForwardHook((_, __, output) => output.add(1));
      const sequence = new nn.Sequential(arrow, new nn.ReLU());
      expect(sequence.forward(ones([1])).tolist()).toEqual([3]);
      handle.remove();
      expect(arrow.forward).toBe(own);
      expect(sequence.forward(ones([1])).tolist()).toEqual([2]);
    });
  });

  test("of which one returns no list of arguments are refused", () => {
    const model = new Network();
    // @ts-expect-error: JavaScript may return anything.
    model.registerForwardPreHook((_, [x]) => x);
    expect(() => model.forward(ones([1, 3]))).toThrow(TorchError);
    expect(() => model.forward(ones([1, 3]))).toThrow(/pre-hook of Network.*array/);
  });
});

/** A model and another one with the same weights. */
function twins(): [Network, Network] {
  const [one, other] = [new Network(), new Network()];
  other.loadStateDict(one.stateDict());
  return [one, other];
}

const gradientsOf = (model: nn.AnyModule) => model.parameters().map((parameter) => parameter.grad!);

describe("Backward hooks", () => {
  test("are given the gradients of inputs and outputs, for a linear layer G W and G, and change nothing", () => {
    scope(() => {
      const [model, plain] = twins();
      const [x, own] = [ones([5, 3]).requiresGrad_(), ones([5, 3]).requiresGrad_()];
      const weights = randn([5, 2]);
      const told: string[] = [];
      model.second.registerFullBackwardPreHook((_, gradOutput) => {
        told.push("pre");
        expect(gradOutput.length).toBe(1);
        close(gradOutput[0]!, weights);
        return undefined;
      });
      model.second.registerFullBackwardHook((module, gradInput, gradOutput) => {
        expect(module).toBe(model.second);
        expect([gradInput.length, gradOutput.length]).toEqual([1, 1]);
        told.push("hook");
        close(gradInput[0]!, weights.matmul(module.weight));
        close(gradOutput[0]!, weights);
        return undefined;
      });
      model.forward(x).mul(weights).sum().backward();
      plain.forward(own).mul(weights).sum().backward();
      expect(told).toEqual(["pre", "hook"]);
      expect(x.grad!.equal(own.grad!)).toBe(true);
      gradientsOf(model).forEach(
        (gradient, i) => void expect(gradient.equal(gradientsOf(plain)[i]!)).toBe(true),
      );
    });
  });

  test("can put other gradients in the place of those before and behind the module", () => {
    scope(() => {
      const [model, plain] = twins();
      model.first.registerFullBackwardHook((_, [gradInput]) => [gradInput!.mul(10)]);
      model.second.registerFullBackwardPreHook((_, [gradOutput]) => [gradOutput!.mul(2)]);
      const [x, own] = [ones([1, 3]).requiresGrad_(), ones([1, 3]).requiresGrad_()];
      model.forward(x).sum().backward();
      plain.forward(own).sum().backward();
      close(x.grad!, own.grad!.mul(20));
      gradientsOf(model).forEach((gradient, i) => void close(gradient, gradientsOf(plain)[i]!.mul(2)));
    });
  });

  test("of a module whose arguments need no gradient are told those of its outputs", () => {
    scope(() => {
      const model = new Network();
      const told: nn.Gradients[] = [];
      model.registerFullBackwardHook((_, gradInput, gradOutput) => {
        told.push(gradInput, keep([...gradOutput]));
        return undefined;
      });
      model
        .forward(ones([1, 3]), 2)
        .sum()
        .backward();
      expect(told[0]).toEqual([null, null]);
      expect(told[1]![0]!.tolist()).toEqual([[1, 1]]);
    });
  });

  test("have a place for each argument and output, null for those that are not used or no tensors", () => {
    class Several extends nn.Module<[a: Tensor, name: string, b: Tensor], Tensor[]> {
      forward(a: Tensor, _: string, b: Tensor): Tensor[] {
        return [a.mul(2), b.mul(3), a.detach()];
      }
    }
    scope(() => {
      const model = new Several();
      const told: unknown[] = [];
      const values = (gradients: nn.Gradients) => gradients.map((gradient) => gradient?.tolist() ?? null);
      model.registerFullBackwardHook((_, gradInput, gradOutput) => {
        told.push(values(gradInput), values(gradOutput));
        return undefined;
      });
      const [a, b] = [ones([1]).requiresGrad_(), ones([1]).requiresGrad_()];
      model.forward(a, "x", b)[0]!.sum().backward();
      expect(told).toEqual([
        [[2], null, null],
        [[1], null, null],
      ]);
      expect(b.grad).toBeNull();
    });
  });

  test("are told again in a second pass, can be differentiated through, and sleep without gradients", () => {
    scope(() => {
      const model = new Network();
      let calls = 0;
      const handle = model.registerFullBackwardHook((_, [gradInput]) => {
        calls += 1;
        return [gradInput!.mul(2)];
      });
      const x = randn([2, 3]).requiresGrad_();
      const y = model.forward(x).sum();
      const [once] = grad(y, [x], { createGraph: true });
      const [again] = grad(y, [x], { retainGraph: true });
      expect(calls).toBe(2);
      expect(once!.equal(again!)).toBe(true);
      const [second] = grad(once!.square().sum(), [x]);
      expect(second!.abs().sum().item()).toBeGreaterThan(0);
      noGrad(() => void model.forward(x));
      handle.remove();
      const [plain] = grad(model.forward(x).sum(), [x]);
      close(once!, plain!.mul(2));
      expect(calls).toBe(2);
    });
  });

  test("that return another number of gradients are refused", () => {
    scope(() => {
      const model = new nn.Linear(2, 2);
      model.registerFullBackwardHook(() => []);
      const loss = model.forward(zeros([1, 2]).requiresGrad_()).sum();
      expect(() => loss.backward()).toThrow(/backward hook of Linear must return nothing or 1 gradients/);
    });
  });
});
