import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory, nn, ones, randn, scope, type Tensor, zeros } from "../../src/index.ts";
import { keyOf } from "../../src/nn/names.ts";

class Inner extends nn.Module {
  readonly toQ = new nn.Linear(3, 3, { bias: false });
  readonly linear_1 = new nn.Linear(3, 2);
  forward(x: Tensor): Tensor {
    return this.linear_1.forward(this.toQ.forward(x));
  }
}

class Outer extends nn.Module {
  readonly downBlocks = [new Inner(), new Inner()];
  readonly norm = new nn.BatchNorm1d(2);
  readonly logitScale = nn.parameter(ones([]));
  readonly positions = nn.buffer(zeros([4], { dtype: "int64" }), { persistent: false });
  readonly settings = { scale: zeros([3]) }; // of no module: not a part of the network
  readonly plain = zeros([3]); // neither parameter nor buffer
  readonly #private = new nn.Linear(1, 1);
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.downBlocks[0]!.forward(x)).mul(this.logitScale);
  }
  get privateWeight(): Tensor {
    return this.#private.weight;
  }
}

const KEYS = [
  "logit_scale",
  "down_blocks.0.to_q.weight",
  "down_blocks.0.linear_1.weight",
  "down_blocks.0.linear_1.bias",
  "down_blocks.1.to_q.weight",
  "down_blocks.1.linear_1.weight",
  "down_blocks.1.linear_1.bias",
  "norm.weight",
  "norm.bias",
  "norm.running_mean",
  "norm.running_var",
  "norm.num_batches_tracked",
];

describe("State dicts", () => {
  test("have PyTorch's keys, derived from the property path, own tensors first", () => {
    expect(Object.keys(new Outer().stateDict())).toEqual(KEYS);
  });

  test("have keys in which camelCase is snake_case and snake_case stays", () => {
    const pairs = {
      downBlocks: "down_blocks",
      toQ: "to_q",
      conv1: "conv1",
      linear_1: "linear_1",
      timeEmbProj: "time_emb_proj",
    };
    for (const [property, key] of Object.entries(pairs)) expect(keyOf(property)).toBe(key);
    fc.assert(fc.property(fc.stringMatching(/^[a-z][a-z0-9_]*$/), (name) => keyOf(name) === name));
  });

  test("load into a second module that then computes the same", () => {
    const [one, other] = [new Outer().eval(), new Outer().eval()];
    const x = randn([5, 3]);
    expect(one.forward(x).equal(other.forward(x))).toBe(false);
    expect(other.loadStateDict(one.stateDict())).toEqual({ missing: [], unexpected: [] });
    expect(one.forward(x).equal(other.forward(x))).toBe(true);
  });

  test("that do not fit are refused with all that is wrong at once, and nothing is loaded", () => {
    const module = new Outer();
    const before = module.logitScale.item();
    const { "norm.bias": _removed, ...state } = new Outer().stateDict();
    const broken = {
      ...state,
      logit_scale: zeros([]),
      extra: zeros([1]),
      "down_blocks.1.to_q.weight": zeros([3, 4]),
    };
    let error: unknown;
    try {
      module.loadStateDict(broken);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(nn.StateDictError);
    const { missing, unexpected, mismatched, message } = error as nn.StateDictError;
    expect({ missing, unexpected, mismatched }).toEqual({
      missing: ["norm.bias"],
      unexpected: ["extra"],
      mismatched: ["down_blocks.1.to_q.weight: [3, 4] given, [3, 3] needed"],
    });
    for (const part of ["Outer", "norm.bias", "extra", "[3, 4] given"]) expect(message).toContain(part);
    expect(module.logitScale.item()).toBe(before);
  });

  test("load what fits without strict, and report the rest", () => {
    const module = new Outer();
    expect(
      module.loadStateDict({ logit_scale: zeros([]).add(3), extra: zeros([1]) }, { strict: false }),
    ).toEqual({
      missing: KEYS.slice(1),
      unexpected: ["extra"],
    });
    expect(module.logitScale.item()).toBe(3);
    expect(() => module.loadStateDict({ logit_scale: zeros([2]) }, { strict: false })).toThrow(
      /\[2\] given, \[\] needed/,
    );
  });

  test("convert dtypes on the way in", () => {
    const module = new nn.Linear(2, 1);
    module.loadStateDict({
      weight: ones([1, 2], { dtype: "float16" }),
      bias: zeros([1], { dtype: "bfloat16" }),
    });
    expect(module.weight.dtype).toBe("float32");
    expect(module.weight.toNumbers()).toEqual([1, 1]);
  });
});

describe("Modules", () => {
  test("list parameters and buffers each once, shared ones under their first key", () => {
    class Tied extends nn.Module {
      readonly embed = new nn.Embedding(4, 3);
      readonly head = this.embed;
      readonly again = this.embed.weight;
      forward(ids: Tensor): Tensor {
        return this.head.forward(ids);
      }
    }
    const module = new Tied();
    expect(module.namedParameters().map(([key]) => key)).toEqual(["again"]);
    expect(module.parameters()).toEqual([module.embed.weight]);
    expect(Object.keys(module.stateDict())).toEqual(["again", "embed.weight", "head.weight"]);
    expect(new Outer().namedBuffers().map(([key]) => key)).toContain("positions");
    expect(new Outer().namedModules().map(([path]) => path)).toContain("down_blocks.1.to_q");
  });

  test("switch between training and evaluation as a whole", () => {
    const module = new Outer();
    expect(
      module
        .eval()
        .modules()
        .every((part) => !part.training),
    ).toBe(true);
    expect(
      module
        .train()
        .modules()
        .every((part) => part.training),
    ).toBe(true);
  });

  test("convert dtype and layout in place: parameters stay the same objects, gradients come along", () => {
    const module = new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.BatchNorm2d(4));
    const parameters = module.parameters();
    scope(() =>
      module
        .forward(randn([2, 3, 5, 5]))
        .square()
        .sum()
        .backward(),
    );
    module.to("float64");
    expect(module.parameters()).toEqual(parameters);
    expect(parameters.map(({ dtype, grad }) => [dtype, grad!.dtype])).toEqual(
      parameters.map(() => ["float64", "float64"]),
    );
    expect(module.buffers().map(({ dtype }) => dtype)).toEqual(["float64", "float64", "int64"]);
    module.to({ memoryFormat: "channelsLast" });
    expect(parameters[0]!.isContiguous("channelsLast")).toBe(true);
    scope(() =>
      module
        .forward(randn([2, 3, 5, 5], { dtype: "float64" }))
        .sum()
        .backward(),
    );
    expect(() => module.to("int64")).toThrow(/int64 cannot hold parameters/);
  });

  test("freeze and clear gradients", () => {
    const module = new nn.Linear(2, 2);
    scope(() =>
      module
        .forward(ones([1, 2]))
        .sum()
        .backward(),
    );
    expect(module.weight.grad).not.toBeNull();
    module.zeroGrad();
    expect(module.weight.grad).toBeNull();
    module.requiresGrad_(false);
    expect(module.forward(ones([1, 2])).requiresGrad).toBe(false);
  });

  test("made in a scope keep their parameters, and release them when disposed", () => {
    const module = scope(() => new Outer());
    expect(scope(() => module.forward(zeros([2, 3])).toNumbers().length)).toBe(4);
    const tensors = [...module.parameters(), ...module.buffers()];
    const before = memory().tensors;
    module.dispose();
    expect(memory().tensors).toBeLessThanOrEqual(before - tensors.length); // less where garbage was collected
    expect(tensors.every((tensor) => tensor.isDisposed)).toBe(true);
    expect(module.logitScale.isDisposed).toBe(true);
    expect(module.privateWeight.isDisposed).toBe(false);
  });
});

test("Sequential and ModuleList number their modules, and a parameter with history is detached", () => {
  const list = new nn.ModuleList([new nn.Linear(2, 2)]).push(new nn.Linear(2, 3));
  expect(Object.keys(list.stateDict())).toEqual(["0.weight", "0.bias", "1.weight", "1.bias"]);
  expect([...list].map((layer) => layer.outFeatures)).toEqual([2, 3]);
  expect(list.at(-1).outFeatures).toBe(3);
  const sequence = new nn.Sequential(...list, new nn.Flatten());
  expect(sequence.length).toBe(3);
  expect(sequence.forward(ones([4, 2])).shape).toEqual([4, 3]);
  const leaf = nn.parameter(ones([2]).requiresGrad_().mul(2));
  expect([leaf.isLeaf, leaf.requiresGrad, leaf.isParameter]).toEqual([true, true, true]);
});

test("ModuleDict, ParameterList and ParameterDict give their names as keys and make parameters of tensors", () => {
  class Parts extends nn.Module {
    readonly heads = new nn.ModuleDict({ photo: new nn.Linear(2, 1), toWords: new nn.Linear(3, 1) });
    readonly scales = new nn.ParameterList([ones([1]), ones([2])]);
    readonly shifts = new nn.ParameterDict({ first: zeros([1]) });
    forward(x: Tensor): Tensor {
      return this.heads.get("photo").forward(x).mul(this.scales.at(-2)).add(this.shifts.get("first"));
    }
  }
  const parts = new Parts();
  parts.shifts.set("second", zeros([3]));
  expect(Object.keys(parts.stateDict())).toEqual([
    "heads.photo.weight",
    "heads.photo.bias",
    "heads.toWords.weight",
    "heads.toWords.bias",
    "scales.0",
    "scales.1",
    "shifts.first",
    "shifts.second",
  ]);
  expect(parts.parameters().length).toBe(8);
  expect([...parts.heads].map(([name]) => name)).toEqual(["photo", "toWords"]);
  expect([parts.heads.size, parts.scales.length, parts.shifts.size]).toEqual([2, 2, 2]);
  expect(parts.heads.delete("toWords") && parts.shifts.delete("second")).toBe(true);
  expect(parts.heads.has("toWords")).toBe(false);
  expect(parts.forward(ones([4, 2])).shape).toEqual([4, 1]);
});

describe("A module that would silently be trained or saved in part is refused", () => {
  class Holder extends nn.Module {
    constructor(readonly held: unknown) {
      super();
    }
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  const linear = () => new nn.Linear(1, 1);

  test.each<[string, () => unknown, RegExp]>([
    ["a plain object", () => ({ a: linear() }), /Holder\.held: .*in a plain object would not be trained/],
    ["a Map", () => new Map([["a", [linear()]]]), /in a Map would not/],
    ["a plain object in arrays", () => [[{ a: linear() }]], /in a plain object would not/],
    ["a Map in a plain object", () => ({ all: [new Map([["a", linear()]])] }), /in a Map would not/],
    ["a Set of parameters", () => new Set([nn.parameter(ones([1]))]), /in a Set would not/],
  ])("in %s", (_, make, message) => {
    const module = new Holder(make());
    for (const use of [() => module.parameters(), () => module.stateDict(), () => module.to("float64")]) {
      expect(use).toThrow(message);
    }
  });

  test("but settings in such containers are nobody's parameters", () => {
    const circle: Record<string, unknown> = { size: [1, { of: 2 }] };
    circle.self = circle;
    expect(new Holder(circle).parameters()).toEqual([]);
    for (const held of [{ stride: [1, 2] }, new Map([["a", 1]]), new Set(["x"]), { x: ones([1]) }]) {
      expect(new Holder(held).parameters()).toEqual([]);
    }
  });

  test("where it contains itself", () => {
    class Child extends nn.Module {
      constructor(readonly parent: nn.AnyModule) {
        super();
      }
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    class Parent extends nn.Module {
      readonly child: Child = new Child(this);
      readonly weight = nn.parameter(ones([1]));
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Parent().stateDict()).toThrow(
      /"child\.parent" is a Parent that contains itself.*#private/s,
    );
    expect(new Parent().parameters()).toHaveLength(1);
  });

  test("where two of its tensors would have one key", () => {
    class Twins extends nn.Module {
      readonly fooBar = linear();
      readonly foo_bar = linear();
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(() => new Twins().stateDict()).toThrow(/Two tensors have the key "foo_bar\.weight"/);
  });
});
