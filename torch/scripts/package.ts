// Makes what is published: `npm run package -- FOLDER [--addon | --main | --penumbra]`. The manifests in the checkout are
// private: npm publishes nothing that was not built here, not even where it is set to run no scripts.
//
// --addon makes the package of prebuilt addons for this platform, with the addon of the libtorch in use; run again with
// another libtorch and the same FOLDER, it adds that one's. --main makes @penumbra/torch, which names as optional
// dependencies the platforms' packages that lie in FOLDER: npm installs the one that fits. Others are not named, because
// `npm ci` refuses a dependency that was never published, optional or not. Without either both are made. --penumbra makes penumbra.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ADDON_FILE, LOADER_FILE, planBuild } from "../src/library/key.ts";
import { findAddon } from "../src/library/load.ts";
import { PLATFORM_NAMES, platformName } from "../src/library/platform.ts";
import { buildRecord, prebuiltPackage, RECORD_FILE } from "../src/library/record.ts";

const torch = resolve(import.meta.dirname, "..");
const root = dirname(torch);

type Manifest = Record<string, unknown> & { readonly name: string; readonly version: string };

/** Without what keeps a checkout from being published. */
function readManifest(folder: string): Manifest {
  const { private: _, ...manifest } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return manifest as Manifest;
}

function writeManifest(folder: string, manifest: Manifest): void {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The address of the repository, which npm compares with the one that a release is built from. */
function repository(directory: string): { repository?: object } {
  let url: string;
  try {
    url = execFileSync("git", ["remote", "get-url", "origin"], {
      cwd: root,
      encoding: "utf8",
      stdio: "pipe",
    });
  } catch {
    process.stderr.write('No git remote "origin": the packages name no repository.\n');
    return {};
  }
  return { repository: { type: "git", url: `git+${url.trim().replace(/^git\+/, "")}`, directory } };
}

function pack(folder: string, into: string): string {
  // What a package holds is made before; npm may be set to run no scripts.
  const command = ["pack", "--json", "--ignore-scripts", "--pack-destination", into];
  const output = execFileSync("npm", command, { cwd: folder, encoding: "utf8" });
  const [{ filename }] = JSON.parse(output) as [{ filename: string }];
  return join(into, filename);
}

/** Names of functions within an addon serve a debugger alone: they are a fifth of it. */
function strip(file: string): void {
  if (process.platform === "win32") return;
  execFileSync("strip", process.platform === "darwin" ? ["-x", file] : ["--strip-unneeded", file]);
}

function packAddon(out: string): string {
  const { path, libtorch } = findAddon();
  const { key, folder: built } = planBuild(libtorch);
  const record = buildRecord(built);
  if (dirname(path) !== built || !record) {
    throw new Error(
      `The addon in use, "${path}", is a prebuilt one; run \`npm run setup -- --compile\` first.`,
    );
  }
  const folder = join(out, `torch-${platformName()}`);
  const target = join(folder, key);
  mkdirSync(target, { recursive: true });
  for (const file of [ADDON_FILE, LOADER_FILE]) {
    cpSync(join(built, file), join(target, file));
    strip(join(target, file));
  }
  const bytes = statSync(join(target, ADDON_FILE)).size;
  writeFileSync(join(target, RECORD_FILE), `${JSON.stringify({ ...record, bytes }, null, 2)}\n`);
  cpSync(join(torch, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(
    join(folder, "README.md"),
    `# ${prebuiltPackage()}\n\nThe compiled part of [@penumbra/torch](https://www.npmjs.com/package/@penumbra/torch) for ${platformName()}. npm installs it with that package; nothing else uses it.\n`,
  );
  const { version, license, engines } = readManifest(torch);
  writeManifest(folder, {
    name: prebuiltPackage(),
    version,
    description: `The compiled part of @penumbra/torch for ${platformName()}`,
    license,
    ...repository("torch"),
    engines,
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" ? { libc: ["glibc"] } : {}),
  });
  return pack(folder, out);
}

/** Builds and packs a workspace, with what its manifest says beyond the one in the checkout. */
function packWorkspace(
  name: string,
  out: string,
  added: (manifest: Manifest) => object = () => ({}),
): string {
  const workspace = join(root, name);
  execFileSync("npm", ["run", "--silent", "build"], { cwd: workspace, stdio: "inherit" });
  const aside = mkdtempSync(join(tmpdir(), "package-"));
  try {
    execFileSync("tar", ["xzf", pack(workspace, aside), "-C", aside]);
    const folder = join(aside, "package");
    const manifest = readManifest(folder);
    writeManifest(folder, { ...manifest, ...repository(name), ...added(manifest) });
    return pack(folder, out);
  } finally {
    rmSync(aside, { recursive: true });
  }
}

function packMain(out: string): string {
  return packWorkspace("torch", out, ({ version }) => {
    const isPacked = (name: string) => existsSync(join(out, `penumbra-torch-${name}-${version}.tgz`));
    const packed = PLATFORM_NAMES.filter(isPacked);
    const named = packed.map((name) => [`@penumbra/torch-${name}`, version]);
    return { optionalDependencies: Object.fromEntries(named) };
  });
}

const packPenumbra = (out: string): string => packWorkspace("penumbra", out);

const [out, ...wanted] = process.argv.slice(2);
if (out === undefined || out.startsWith("-")) {
  throw new Error("Name the folder for the packages: `npm run package -- FOLDER`.");
}
const folder = resolve(out);
mkdirSync(folder, { recursive: true });
const makers = { "--addon": packAddon, "--main": packMain, "--penumbra": packPenumbra };
const chosen = wanted.length > 0 ? wanted : ["--addon", "--main"];
for (const [option, make] of Object.entries(makers)) {
  if (!chosen.includes(option)) continue;
  const file = make(folder);
  process.stdout.write(`${file}: ${Math.round(statSync(file).size / 1000)} kB\n`);
}
