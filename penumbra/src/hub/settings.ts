import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where the hub is, and where its files are kept. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The cache that Python's huggingface_hub uses too. */
  readonly cacheFolder: string;
  /** Whether only what lies in the cache may be used. */
  readonly isOffline: boolean;
  readonly token: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings of huggingface_hub: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, `HF_TOKEN`, and the file
 * in which `hf auth login` keeps the token (`HF_TOKEN_PATH`, else `token` in `HF_HOME`).
 */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const caches = environment.XDG_CACHE_HOME || join(homedir(), ".cache");
  const home = environment.HF_HOME || join(caches, "huggingface");
  const cache = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE || join(home, "hub");
  return {
    endpoint: (environment.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
    cacheFolder: cache,
    isOffline: isTrue(environment.HF_HUB_OFFLINE || environment.TRANSFORMERS_OFFLINE),
    token: tokenOf(environment, home),
  };
}

function tokenOf(environment: Environment, home: string): string | null {
  const given = environment.HF_TOKEN || environment.HUGGING_FACE_HUB_TOKEN;
  if (given) return given.trim();
  if (isTrue(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return null;
  const file = environment.HF_TOKEN_PATH || join(home, "token");
  return (existsSync(file) && readFileSync(file, "utf8").trim()) || null;
}

/** As huggingface_hub reads its switches. */
function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}
