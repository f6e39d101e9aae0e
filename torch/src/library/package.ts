import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LibraryError } from "./error.ts";

const NAME = "@penumbra/torch";

/**
 * The folder of this package, from its sources as from its published build.
 * @throws LibraryError where a bundler has moved this code out of its package
 */
export function packageRoot(): string {
  // A bundle in CommonJS has no import.meta.
  const here: string | undefined = import.meta.dirname;
  for (let folder: string | undefined = here; folder !== undefined; folder = above(folder)) {
    if (existsSync(join(folder, "native", "addon.h"))) return folder;
  }
  throw new LibraryError(
    `${NAME} was put into a bundle${here === undefined ? "" : ` ("${here}")`}: its C++ part is not found from there.`,
    [
      `Leave it outside: \`esbuild --packages=external\` or \`--external:${NAME}\`, \`ncc --external ${NAME}\`, "externals" in webpack, "external" in Rollup. The bundle then imports it from node_modules.`,
      "Is it not bundled? Install the package again: the folder native/ is part of it.",
    ],
  );
}

/** `require` as this package sees it. @throws LibraryError as `packageRoot` */
export const packageRequire = (): NodeJS.Require => createRequire(join(packageRoot(), "package.json"));

function above(folder: string): string | undefined {
  const parent = dirname(folder);
  return parent === folder ? undefined : parent;
}
