import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSharedLibrary } from "./elf.ts";

/** Libraries that come in NVIDIA's wheels; `libcuda` is the driver's. */
const NVIDIA_LIBRARY = /^lib(cu(?!da\.)|nv|nccl)/i;

/** NVIDIA's packages among the wheel's requirements; the others are Python's alone. */
const NVIDIA_PACKAGE = /^(nvidia-[a-z0-9-]+|cuda-toolkit)\b/;

/** Where a library's package is not named like the library. */
const PACKAGE_NAMES: Readonly<Record<string, string>> = { cudart: "runtime", nvtoolsext: "nvtx" };

/** Whether this machine has NVIDIA's driver; without it nothing runs on CUDA, whatever is installed. */
export function hasNvidiaDriver(): boolean {
  return ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1"].some((path) =>
    existsSync(path),
  );
}

/**
 * NVIDIA's libraries that a library of torch's wheel is linked to and that do not lie where it looks for them.
 * @param lib the wheel's `torch/lib` folder
 */
export function missingNvidiaLibraries(lib: string, name: "libtorch_cpu.so" | "libtorch_cuda.so"): string[] {
  const library = readSharedLibrary(join(lib, name));
  if (!library) return [];
  return library.needed.filter(
    (needed) =>
      NVIDIA_LIBRARY.test(needed) && !library.searched.some((folder) => existsSync(join(folder, needed))),
  );
}

/** The NVIDIA packages that the torch wheel in `folder` asks for; none for a CPU build. */
export function nvidiaRequirements(folder: string): string[] {
  const info = readdirSync(folder).find((name) => /^torch-.*\.dist-info$/.test(name));
  if (!info) return [];
  const required = readFileSync(join(folder, info, "METADATA"), "utf8").matchAll(/^Requires-Dist: (.*)$/gm);
  return [...required]
    .map(([, text]) => text!)
    .filter((text) => NVIDIA_PACKAGE.test(text) && !/extra\s*==/.test(text));
}

/**
 * Those of the requirements that bring the given libraries, by their names: `libcupti.so.12` is in
 * `nvidia-cuda-cupti-cu12`, and in `cuda-toolkit[cupti]`.
 */
export function requirementsFor(libraries: readonly string[], requirements: readonly string[]): string[] {
  const wanted = new Set(
    libraries.flatMap((library) => {
      const name = (library.match(/^lib([a-z]+)/i)?.[1] ?? "").toLowerCase();
      return [name, PACKAGE_NAMES[name] ?? name];
    }),
  );
  return requirements.flatMap((requirement) => {
    const extras = requirement.match(/\[([^\]]*)\]/)?.[1];
    if (extras !== undefined) {
      const kept = extras.split(",").filter((extra) => wanted.has(extra.trim()));
      return kept.length > 0 ? [requirement.replace(/\[[^\]]*\]/, `[${kept.join(",")}]`)] : [];
    }
    const name = requirement.match(/^nvidia-(?:cuda-)?([a-z0-9-]+?)(?:-cu\d+)?(?![a-z0-9-])/)?.[1];
    return name !== undefined && wanted.has(name) ? [requirement] : [];
  });
}
