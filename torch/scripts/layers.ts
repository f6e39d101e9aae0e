// Writes torch/LAYERS.md: the names of Python's torch.nn with what there is of them here. `node --import tsx --conditions=source torch/scripts/layers.ts`
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as nn from "../src/nn/index.ts";

/** What is not there, with the reason or the way around; LAYERS.md is compared with torch.nn in the tests. */
const NOT_THERE: readonly [names: RegExp, reason: string][] = [
  [/^(Parameter|Buffer)$/, "functions here: `nn.parameter(tensor)` and `nn.buffer(tensor)`"],
  [/^(Lazy|Uninitialized)/, "sizes are given when a layer is made"],
  [/^(RNNBase|RNNCellBase|Container)$/, "base classes of PyTorch's own"],
  [/^(CrossMapLRN2d|NLLLoss2d)$/, "old names: use `LocalResponseNorm`, `NLLLoss`"],
  [/^DataParallel$/, "outdated in PyTorch too, which advises one process for each GPU"],
  [/^SyncBatchNorm$/, "`distributed.syncBatchNorm(model, group)` makes one of every BatchNorm"],
  [
    /^LinearCrossEntropy(Loss|Options)$/,
    "new in PyTorch, and its way to less memory cannot be differentiated twice: `Linear` and `CrossEntropyLoss` compute the same",
  ],
];

const FIXTURE = fileURLToPath(new URL("../test/fixtures/layers.json", import.meta.url));
/** The list's file. */
export const LIST = fileURLToPath(new URL("../LAYERS.md", import.meta.url));

/**
 * The list as text.
 * @throws Error for a name that is neither exported nor explained, and for one that is both
 */
export function layerList(): string {
  const { torch, names } = JSON.parse(readFileSync(FIXTURE, "utf8")) as { torch: string; names: string[] };
  const isThere = (name: string) => Object.hasOwn(nn, name);
  const reasonOf = (name: string) => NOT_THERE.find(([pattern]) => pattern.test(name))?.[1];
  for (const name of names) {
    if (isThere(name) === (reasonOf(name) === undefined)) continue;
    const problem = isThere(name) ? "is exported and listed as missing" : "is neither exported nor explained";
    throw new Error(`torch.nn.${name} ${problem}. Correct NOT_THERE in torch/scripts/layers.ts.`);
  }
  const there = names.filter(isThere);
  const missing = NOT_THERE.map(([pattern, reason]) => {
    const group = names.filter((name) => pattern.test(name)).map((name) => `\`${name}\``);
    return `| ${group.join(" ")} | ${reason} |`;
  });
  return [
    `# Layers of torch.nn ${torch} in @penumbra/torch`,
    "",
    `${there.length} of ${names.length} classes are there, each compared with PyTorch's in the tests: outputs, gradients and, under a seed, first weights. Options are PyTorch's in camelCase (elementwise_affine is affine, nhead is heads); layers of sequences take the batch first by default.`,
    "",
    there.map((name) => `\`${name}\``).join(" "),
    "",
    "Not there:",
    "",
    "| names | |",
    "|---|---|",
    ...missing,
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(LIST, layerList());
