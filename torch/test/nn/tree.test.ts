import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { manualSeed, memory, nn, ones, randn, scope, type Tensor, zeros } from "../../src/index.ts";
import { collect } from "../collect.ts";

class Block extends nn.Module {
  readonly conv = new nn.Conv2d(4, 4, 3, { padding: 1 });
  readonly act = new nn.ReLU();
  forward(x: Tensor): Tensor {
    return this.act.forward(this.conv.forward(x));
  }
}

class Network extends nn.Module {
  readonly stem = new nn.Conv2d(3, 4, [3, 5], { stride: 2, bias: false });
  readonly downBlocks = [new Block(), new Block(), new Block()];
  readonly pool = new nn.MaxPool2d(2, { stride: 1 });
  readonly head = new nn.Sequential(new nn.Flatten(), new nn.Dropout(0.5), new nn.Linear(4, 2));
  readonly scale = nn.parameter(ones([2]));
  readonly unused = new nn.Linear(1, 1);
  forward(x: Tensor): Tensor {
    const blocks = this.downBlocks.reduce(
      (input, block) => block.forward(block.forward(input)),
      this.stem.forward(x),
    );
    return this.head.forward(this.pool.forward(blocks).mean([2, 3])).mul(this.scale);
  }
}

describe("A network", () => {
  test("prints as a tree with settings and numbers of parameters", () => {
    const model = new Network();
    model.head.requiresGrad_(false);
    expect(inspect(model)).toBe(
      [
        "Network(",
        "  (stem): Conv2d(inChannels=3, outChannels=4, kernelSize=[3, 5], stride=2, padding=0, dilation=1, groups=1)  # 180",
        "  (down_blocks): [",
        "    (0-2): 3 x Block(",
        "      (conv): Conv2d(inChannels=4, outChannels=4, kernelSize=3, stride=1, padding=1, dilation=1, groups=1)  # 148",
        "      (act): ReLU()",
        "    )  # 148",
        "  ]",
        "  (pool): MaxPool2d(kernelSize=2, stride=1)",
        "  (head): Sequential(",
        "    (0): Flatten(startDim=1, endDim=-1)",
        "    (1): Dropout(p=0.5)",
        "    (2): Linear(inFeatures=4, outFeatures=2)  # 10, 0 trainable",
        "  )  # 10, 0 trainable",
        "  (unused): Linear(inFeatures=1, outFeatures=1)  # 2",
        ")  # 638, 628 trainable",
      ].join("\n"),
    );
    expect(String(model)).toBe(inspect(model));
  });

  test("that contains itself prints, and lists its children once", () => {
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
      readonly again = this.child;
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    const parent = new Parent();
    expect(inspect(parent)).toContain("(child): Child(");
    expect(parent.namedChildren()).toEqual([["child", parent.child]]);
    expect(parent.children()).toEqual([parent.child]);
  });

  test("applies a function to its modules from the bottom up", () => {
    const names: string[] = [];
    const model = new Network();
    expect(model.apply((module) => void names.push(module.constructor.name))).toBe(model);
    expect(names.slice(0, 4)).toEqual(["Conv2d", "Conv2d", "ReLU", "Block"]);
    expect(names.at(-1)).toBe("Network");
    expect(names.length).toBe(model.modules().length);
  });
});

describe("A summary", () => {
  test("has the shapes that every module is given and gives, calls and parameters", () => {
    const model = new Network();
    const summary = nn.summary(model, zeros([5, 3, 9, 9]));
    const row = (path: string) => summary.rows.find((row) => row.path === path)!;
    expect(row("")).toMatchObject({
      type: "Network",
      input: [[5, 3, 9, 9]],
      output: [[5, 2]],
      calls: 1,
      parameters: 638,
    });
    expect(row("stem")).toMatchObject({ output: [[5, 4, 4, 3]], parameters: 180, calls: 1 });
    expect(row("down_blocks.1.conv")).toMatchObject({ input: [[5, 4, 4, 3]], calls: 2, parameters: 148 });
    expect(row("unused")).toMatchObject({ input: [], output: [], calls: 0 });
    expect(summary.rows.map(({ path }) => path)).toEqual(model.namedModules().map(([path]) => path));
    expect(summary).toMatchObject({ parameters: 638, trainable: 638, bytes: 4 * 638 });
    const text = inspect(summary).split("\n");
    expect(text[2]).toMatch(/^Network +\[5, 3, 9, 9\] +\[5, 2\] +638$/);
    expect(text.find((line) => line.includes("unused"))).toMatch(/^ {2}unused: Linear +– +not called +2$/);
    expect(text.find((line) => line.includes("1: Block"))).toMatch(/1: Block \(2 calls\)/);
    expect(text.at(-1)).toBe("638 parameters, 638 trainable; 0.00 MiB with buffers");
    expect(new Set(text.slice(0, -1).map(({ length }) => length)).size).toBe(1);
  });

  test("leaves the network as it was: modes, statistics, draws, hooks and memory", () => {
    const model = new nn.Sequential(new nn.BatchNorm2d(3), new nn.Dropout(0.5));
    model.at(1).eval();
    const input = randn([2, 3, 4, 4]);
    collect();
    const before = memory().tensors;
    manualSeed(0);
    const expected = scope(() => randn([3]).tolist());
    manualSeed(0);
    nn.summary(model, input);
    expect(scope(() => randn([3]).tolist())).toEqual(expected);
    expect(memory().tensors).toBe(before);
    expect([model.training, model.at(0).training, model.at(1).training]).toEqual([true, true, false]);
    expect((model.at(0) as nn.BatchNorm2d).numBatchesTracked!.item()).toBe(0);
    expect(Object.getOwnPropertyNames(model)).not.toContain("forward");
    expect(() => nn.summary(model, ones([1]))).toThrow(/BatchNorm2d/);
    expect(Object.getOwnPropertyNames(model)).not.toContain("forward");
    expect(model.training).toBe(true);
  });
});
