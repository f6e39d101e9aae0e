/**
 * Calls random operators with wrong arguments, in a process of its own: a crash ends it, and the parent sees that.
 * Usage: wrong-arguments.child.ts SEED FIRST COUNT. Call i depends on the seed and on i only.
 * Prints the number of each call before it runs (of a single one its arguments too), and at the end how many were refused
 * and how many were legal.
 */
import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { garbage, plausible, randomFamily, shown } from "./random-values.ts";
import { isUnsafe, unsafeInOlderVersions } from "./unsafe-operators.ts";

const [seed = 0, first = 0, count = 2000] = process.argv.slice(2).map(Number);

const operators = torch
  .schemas()
  .filter(({ name }) => name.startsWith("aten::") && !isUnsafe(name))
  .sort((a, b) => (a.schema < b.schema ? -1 : 1));

// Operators that map files make them.
process.chdir(mkdtempSync(join(tmpdir(), "wrong-arguments-")));

let refused = 0;
let legal = 0;
for (let i = first; i < first + count; i++) {
  const random = new torch.Random(torch.deriveSeed(seed, "wrong-arguments", i));
  let operator = random.choice(operators);
  while (operator.name.slice("aten::".length) in unsafeInOlderVersions) operator = random.choice(operators);
  writeSync(1, `${i} ${operator.name}.${operator.overload}\n`);
  torch.scope(() => {
    const spoilt = random.uniform() < 0.3;
    const family = random.uniform() < 0.6 ? randomFamily(random) : undefined;
    const value = (parameter: torch.OperatorSchema["parameters"][number]) =>
      spoilt && random.uniform() < 0.3 ? garbage(random) : plausible(parameter, random, family);
    const args: unknown[] = [];
    const options: Record<string, unknown> = {};
    for (const parameter of operator.parameters) {
      if (parameter.default === undefined && !parameter.keywordOnly) args.push(value(parameter));
      else if (random.uniform() < 0.5) options[parameter.name] = value(parameter);
    }
    if (spoilt && random.uniform() < 0.1) args.push(garbage(random));
    if (spoilt && random.uniform() < 0.1) args.splice(random.int(args.length + 1), 1);
    if (Object.keys(options).length > 0) args.push(options);
    if (count === 1) writeSync(1, `${shown(args)}\n`); // a call that was found before, to be looked at
    try {
      const name = random.uniform() < 0.5 ? operator.name : `${operator.name}.${operator.overload}`;
      torch.call(name, ...args);
      legal += 1;
    } catch (error) {
      if (!(error instanceof torch.TorchError)) throw error;
      refused += 1;
    }
  });
}
// The engine is still whole.
if (
  torch
    .ones([2, 2])
    .mm(torch.ones([2, 2]))
    .sum()
    .item() !== 8
)
  throw new Error("mm is wrong after the calls");
rmSync(process.cwd(), { recursive: true });
writeSync(1, `done ${refused} ${legal}\n`);
