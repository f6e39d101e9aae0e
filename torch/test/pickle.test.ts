/** Files of PyTorch's torch.save: what Python wrote, what is refused, what is damaged, and what comes back of our own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import * as torch from "../src/index.ts";

const FILES = fileURLToPath(new URL("fixtures/pickle/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "penumbra-pickle-"));
afterAll(() => rmSync(folder, { recursive: true }));
const names = readdirSync(FILES);
const json = (name: string) => JSON.parse(readFileSync(join(FILES, name), "utf8"));

type Tree = unknown;
/** A value as fixtures/pickle-files.py describes it. */
function treeOf(value: torch.Saved): Tree {
  if (value instanceof torch.Tensor) {
    const plain = value.isComplex() ? torch.viewAsReal(value.detach().resolveConj()) : value.detach();
    return {
      tensor: value.dtype,
      shape: value.shape,
      stride: value.shape.map((_, i) => value.stride(i)),
      requiresGrad: value.requiresGrad,
      isParameter: value.isParameter,
      values: plain.double().toNumbers(),
    };
  }
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (typeof value === "bigint") return { bigint: String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return { list: value.map(treeOf) };
  if (value instanceof Set) return { set: [...value] };
  if (value instanceof Map) return { dict: [...value].map(([key, item]) => [treeOf(key), treeOf(item)]) };
  if ("real" in value) return { complex: [value.real, (value as unknown as torch.Complex).imag] };
  return { dict: Object.entries(value as object).map(([key, item]) => [key, treeOf(item)]) };
}

/** Numbers that look like integers lead an object's keys in JavaScript: the order of entries is left out. */
function sorted(tree: Tree): Tree {
  if (Array.isArray(tree)) return tree.map(sorted);
  if (typeof tree !== "object" || tree === null) return tree;
  const entries = Object.entries(tree).map(([key, value]) => [key, sorted(value)] as const);
  if ("dict" in tree) {
    return {
      dict: (sorted(tree.dict) as unknown[]).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    };
  }
  return Object.fromEntries(entries);
}

describe("files of Python's torch.save", () => {
  const { trees } = json("python.json") as { trees: Record<string, Tree> };
  for (const [name, tree] of Object.entries(trees)) {
    for (const format of ["", "-legacy", "-protocol4"]) {
      test(`${name}${format} gives what Python saved`, () => {
        const value = torch.load(join(FILES, `python-${name}${format}.pt`));
        expect(sorted(treeOf(value))).toEqual(sorted(tree));
      });
    }
  }

  test("an entry named __proto__ is an entry", () => {
    const value = torch.load(join(FILES, "python-plain.pt")) as Record<string, unknown>;
    expect(Object.hasOwn(value, "__proto__")).toBe(true);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each(["", "-legacy"])("views share their storage again%s", (format) => {
    const { base, transposed, row } = torch.load(join(FILES, `python-views${format}.pt`)) as Record<
      string,
      torch.Tensor
    >;
    base!.fill_(3);
    expect(new Set(transposed!.toNumbers())).toEqual(new Set([3]));
    expect(new Set(row!.toNumbers())).toEqual(new Set([3]));
  });

  test("the same list comes as the same array", () => {
    const { twice } = torch.load(join(FILES, "python-plain.pt")) as { twice: unknown[] };
    expect(twice[0]).toBe(twice[1]);
  });

  interface Golden {
    readonly file: string;
    readonly kind: string;
    readonly tree?: Record<string, unknown>;
    readonly token?: string;
    readonly vectors?: { dtype: string; shape: number[]; values: number[] };
  }
  const matches = (value: unknown, golden: unknown): void => {
    if (value instanceof torch.Tensor) {
      const { dtype, shape, values } = golden as NonNullable<Golden["vectors"]>;
      expect([value.dtype, value.shape]).toEqual([dtype, shape]);
      expect(value.detach().double().toNumbers()).toEqual(values.map(Number));
    } else if (Array.isArray(value)) {
      expect(value.length).toBe((golden as unknown[]).length);
      value.forEach((item, i) => void matches(item, (golden as unknown[])[i]));
    } else if (value instanceof Map) {
      matches(Object.fromEntries(value), golden);
    } else if (typeof value === "object" && value !== null) {
      expect(Object.keys(value).sort()).toEqual(Object.keys(golden as object).sort());
      for (const [key, item] of Object.entries(value))
        matches(item, (golden as Record<string, unknown>)[key]);
    } else expect(value).toEqual(golden);
  };
  for (const name of names.filter((file) => file.endsWith(".json") && file !== "python.json")) {
    const golden = json(name) as Golden;
    if (golden.kind === "refuse") continue;
    test(`${golden.file} as other tools write it`, () => {
      const value = torch.load(join(FILES, golden.file)) as Record<string, unknown>;
      if (golden.tree) matches(value, golden.tree);
      else matches((value[golden.token!] as torch.Tensor).reshape(golden.vectors!.shape), golden.vectors);
    });
  }
});

describe("files that are refused", () => {
  const { refused } = json("python.json") as { refused: Record<string, string> };
  for (const [name, global] of Object.entries(refused)) {
    test.each(["", "-legacy"])(`${name}%s names ${global}`, (format) => {
      expect(() => torch.load(join(FILES, `refused-${name}${format}.pt`))).toThrow(
        new RegExp(`names ${global.replaceAll(".", "\\.")}, .*state_dict`),
      );
    });
  }
  test("untrusted.pt names what it would call", () => {
    const { refused_global: global } = json("untrusted.json") as { refused_global: string };
    expect(() => torch.load(join(FILES, "untrusted.pt"))).toThrow(new RegExp(global));
  });
  test.each([
    ["an empty file", ""],
    ["text", "hello"],
    ["an opcode that makes objects", "\x80\x02(i"],
    ["zip without directory", "PK\x03\x04"],
  ])("%s", (_, content) => {
    const path = join(folder, "wrong.pt");
    writeFileSync(path, content, "latin1");
    expect(() => torch.load(path)).toThrow(torch.PickleError);
  });
  test("a folder and a path to nothing", () => {
    expect(() => torch.load(folder)).toThrow(/no regular file/);
    expect(() => torch.load(join(folder, "none.pt"))).toThrow(/cannot be opened/);
  });
});

describe("damaged files give an error, or plain values", () => {
  const files = names.filter((name) => /\.(pt|pth|bin)$/.test(name));
  const path = join(folder, "damaged.pt");
  const attempt = () => {
    try {
      torch.scope(() => void torch.load(path));
    } catch (error) {
      expect(error).toBeInstanceOf(torch.PickleError);
    }
  };
  test("cut off anywhere", () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.double({ min: 0, max: 0.999, noNaN: true }), (name, part) => {
        const bytes = readFileSync(join(FILES, name));
        writeFileSync(path, bytes);
        truncateSync(path, Math.floor(bytes.length * part));
        expect(() => torch.load(path)).toThrow(torch.PickleError);
      }),
      { numRuns: 300 },
    );
  });
  test("with other bytes in places", () => {
    const change = fc.tuple(
      fc.double({ min: 0, max: 0.9999, noNaN: true }),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...files),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (name, changes) => {
          const bytes = readFileSync(join(FILES, name));
          for (const [place, byte] of changes) bytes[Math.floor(place * bytes.length)] = byte;
          writeFileSync(path, bytes);
          attempt();
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("what save writes", () => {
  const path = join(folder, "own.pt");
  const back = <T extends torch.Saved>(value: T): T => {
    torch.save(value, path);
    return torch.load(path) as T;
  };
  test("comes back, for any nesting of plain values", () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.double({ noNaN: true }),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 90n }),
        fc.bigInt({ min: -(2n ** 90n), max: -(2n ** 53n) }),
        fc.integer(),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array(),
        fc.array(tie("value")),
        fc.dictionary(
          fc.string().filter((key) => key !== "real" && key !== "imag"),
          tie("value"),
          {
            noNullPrototype: true,
          },
        ),
      ),
    }));
    fc.assert(
      fc.property(value, (given) => {
        expect(back(given as torch.Saved)).toEqual(given);
      }),
      { numRuns: 300 },
    );
  });
  test("keeps dtypes, shapes, gradients' flags and sharing", () => {
    for (const name of ["dtypes", "views", "parameters", "optimizer"]) {
      const value = torch.load(join(FILES, `python-${name}.pt`));
      const tree = sorted(treeOf(value));
      expect(sorted(treeOf(back(value))), name).toEqual(tree);
    }
    const base = torch.arange(12).reshape([3, 4]);
    const again = back({ base, column: base.select(1, 2) });
    again.base.fill_(-1);
    expect(again.column.tolist()).toEqual([-1, -1, -1]);
  });
  test("keeps maps with numbers as keys, and circles", () => {
    expect(back(new Map([[1, "one"]]))).toEqual(new Map([[1, "one"]]));
    const circle: torch.Saved[] = [1];
    circle.push(circle);
    const again = back(circle);
    expect(again[1]).toBe(again);
  });
  test("loads into a model", () => {
    const model = new torch.nn.Linear(3, 2);
    torch.save(model.stateDict(), path);
    const other = new torch.nn.Linear(3, 2);
    other.loadStateDict(torch.load(path) as Record<string, torch.Tensor>);
    expect(other.weight.equal(model.weight)).toBe(true);
  });
  const python = process.env.PENUMBRA_TEST_PYTHON;
  test.skipIf(!python)(
    "is what Python's torch.load reads (PENUMBRA_TEST_PYTHON names a Python with torch)",
    () => {
      const value = Object.fromEntries(
        ["dtypes", "views", "parameters", "plain", "optimizer"].map((name) => [
          name,
          torch.load(join(FILES, `python-${name}.pt`)),
        ]),
      );
      torch.save(value, path);
      const script =
        "import sys, torch; v = torch.load(sys.argv[1], weights_only=True); torch.save(v, sys.argv[2])";
      execFileSync(python!, ["-c", script, path, join(folder, "python.pt")]);
      expect(sorted(treeOf(torch.load(join(folder, "python.pt"))))).toEqual(sorted(treeOf(value)));
    },
  );
  test.each([
    ["a function", { x: () => 1 }, /value\.x: is a function/],
    ["undefined", [undefined], /value\[0\]: is undefined/],
    ["a module", new torch.nn.Linear(1, 1), /class Linear.*stateDict/],
    ["a typed array", new Float32Array(2), /fromTyped/],
    ["a sparse tensor", { s: torch.eye(3).toSparse() }, /value\.s: is a sparse_coo tensor/],
    ["two dtypes over one memory", sharedBits(), /clone\(\)/],
  ])("%s is refused, and leaves nothing behind", (_, value, message) => {
    const before = readdirSync(folder);
    expect(() => torch.save(value as torch.Saved, join(folder, "refused.pt"))).toThrow(message as RegExp);
    expect(readdirSync(folder)).toEqual(before);
  });
});

function sharedBits(): torch.Saved {
  const floats = torch.ones([2]);
  return [floats, torch.call("aten::view.dtype", floats, "int32") as torch.Tensor];
}
