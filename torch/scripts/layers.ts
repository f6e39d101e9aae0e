// Writes torch/LAYERS.md: the names of Python's torch.nn and torch.nn.functional with what there is of them here. `node --import tsx --conditions=source torch/scripts/layers.ts`
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

/** The same of torch.nn.functional, by the names that they would have. */
export const FUNCTIONS_NOT_THERE: readonly [names: RegExp, reason: string][] = [
  [/^(upsample|upsampleBilinear|upsampleNearest)$/, "old names: use `interpolate`"],
  [
    /^multiHeadAttentionForward$/,
    "has 20 arguments: use `nn.MultiheadAttention`, or `scaledDotProductAttention`",
  ],
  [/^linearCrossEntropy$/, "`linear` and `crossEntropy` compute the same"],
  [
    /^fractionalMaxPool[23]dWithIndices$/,
    "the operators `torch.fractionalMaxPool2d` and `3d` give both, from samples that are drawn before",
  ],
  [
    /^(groupedMm|scaledMm|scaledGroupedMm)$/,
    "matrix products for GPUs whose arguments change from version to version: the operators `torch._groupedMm`, `torch._scaledMm`",
  ],
];

const fixture = (name: string) =>
  JSON.parse(
    readFileSync(fileURLToPath(new URL(`../test/fixtures/${name}.json`, import.meta.url)), "utf8"),
  ) as {
    torch: string;
    names: string[];
  };
/** The list's file. */
export const LIST = fileURLToPath(new URL("../LAYERS.md", import.meta.url));

/**
 * The list as text.
 * @throws Error for a name that is neither exported nor explained, and for one that is both
 */
export function layerList(): string {
  const layers = fixture("layers");
  const functions = fixture("functional");
  const [classes, missingClasses] = split("torch.nn", layers.names, nn, NOT_THERE);
  const [there, missing] = split("torch.nn.functional", functions.names, nn.functional, FUNCTIONS_NOT_THERE);
  return [
    `# Layers of torch.nn ${layers.torch} in @penumbra/torch`,
    "",
    `${classes.length} of ${layers.names.length} classes are there, each compared with PyTorch's in the tests: outputs, gradients and, under a seed, first weights. Options are PyTorch's in camelCase (elementwise_affine is affine, nhead is heads); layers of sequences take the batch first by default.`,
    "",
    named(classes),
    "",
    "Not there:",
    "",
    ...missingClasses,
    "",
    "## Functions of torch.nn.functional",
    "",
    `${there.length} of ${functions.names.length} are in \`nn.functional\`, each compared with PyTorch's: results and gradients. Names are PyTorch's in camelCase; inputs and what must be given go by position, options in one object at the end.`,
    "",
    named(there),
    "",
    "Not there:",
    "",
    ...missing,
    "",
  ].join("\n");
}

const named = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(" ");

/** The names that are exported, and a table of the others with their reasons. */
function split(
  module: string,
  names: readonly string[],
  exported: object,
  notThere: typeof NOT_THERE,
): [there: string[], missing: string[]] {
  const isThere = (name: string) => Object.hasOwn(exported, name);
  for (const name of names) {
    const isExplained = notThere.some(([pattern]) => pattern.test(name));
    if (isThere(name) !== isExplained) continue;
    const problem = isThere(name) ? "is exported and listed as missing" : "is neither exported nor explained";
    throw new Error(`${module}.${name} ${problem}. Correct the lists in torch/scripts/layers.ts.`);
  }
  const rows = notThere.map(
    ([pattern, reason]) => `| ${named(names.filter((name) => pattern.test(name)))} | ${reason} |`,
  );
  return [names.filter(isThere), ["| names | |", "|---|---|", ...rows]];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(LIST, layerList());
