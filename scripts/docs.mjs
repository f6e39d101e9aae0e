// `npm run docs`: the API reference of @penumbra/torch as web pages in docs/api/.
//
// It is made, not kept: 1,700 files of 39 MB, nearly all of them the typed operators, which an editor shows at the
// place where they are called. TypeDoc works on the compiler of TypeScript 6, the house on 7: npx fetches both, aside.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { status } = spawnSync(
  "npx",
  [
    ...["--yes", "--package", "typedoc@0.28.20", "--package", "typescript@6", "--", "typedoc"],
    ...["--tsconfig", join(root, "torch/tsconfig.build.json"), "--skipErrorChecking"],
    ...["--entryPoints", join(root, "torch/src/index.ts"), "--readme", join(root, "torch/README.md")],
    ...["--name", "@penumbra/torch", "--out", join(root, "docs/api")],
    ...["--excludeInternal", "--excludePrivate", "--disableSources"],
  ],
  { cwd: root, stdio: "inherit" },
);
process.exitCode = status ?? 1;
