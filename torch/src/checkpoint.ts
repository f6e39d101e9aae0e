// Training that can be interrupted: model, optimizer, averages, random state and step in one folder, replaced as a whole.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { cuda } from "./cuda/index.ts";
import type { AnyModule } from "./nn/module.ts";
import type { Ema } from "./optim/ema.ts";
import type { OptimizerState } from "./optim/optimizer.ts";
import type { Random, RandomState } from "./random.ts";
import { read } from "./safetensors/read.ts";
import { write } from "./safetensors/write.ts";

import type { Tensor } from "./tensor/index.ts";
import { defaultGenerator, type Generator, isTensor, scope, TorchError } from "./tensor/index.ts";
import { syncFolder, writeFileSynced } from "./whole-file.ts";

/** One thing, or several by name. */
type OneOrNamed<T> = T | Readonly<Record<string, T>>;

interface Stateful {
  stateDict(): OptimizerState;
  loadStateDict(state: OptimizerState): void;
}

/** What a checkpoint holds: every part is optional, and several of a kind are given by name. */
export interface CheckpointParts {
  model?: OneOrNamed<AnyModule>;
  optimizer?: OneOrNamed<Stateful>;
  ema?: OneOrNamed<Ema>;
  /** Generators of tensors; the default ones of all devices are always included. */
  generator?: OneOrNamed<Generator>;
  random?: OneOrNamed<Random>;
}

export interface CheckpointProgress<Extra = unknown> {
  /** Steps done; learning-rate schedules are functions of it. */
  readonly step: number;
  /** Anything else that JSON can hold, and NaN and infinities: epoch, loss curve, order of the data. */
  readonly extra: Extra;
}

interface Description {
  readonly format: 1;
  readonly step: number;
  readonly extra: unknown;
  readonly optimizers: Readonly<Record<string, Omit<OptimizerState, "tensors">>>;
  readonly emaUpdates: Readonly<Record<string, number>>;
  readonly random: Readonly<Record<string, RandomState>>;
}

/**
 * Writes a checkpoint into a folder, replacing the one there: aside first, flushed to the disk, then renamed. A crash
 * at any moment leaves the old checkpoint or the new one for `load`.
 *
 * The weights lie in `model.safetensors` (or `model.NAME.safetensors`), which other tools read too.
 *
 * @example checkpoints.save("run/checkpoint", { model, optimizer, step, extra: { losses } });
 */
export function save(
  folder: string,
  { step = 0, extra = null, ...parts }: CheckpointParts & Partial<CheckpointProgress>,
): void {
  const target = resolve(folder);
  mkdirSync(dirname(target), { recursive: true });
  recover(target);
  for (const name of readdirSync(dirname(target))) {
    const isRest = name.startsWith(`.${basename(target)}.`) && name.endsWith(".partial");
    if (isRest) rmSync(join(dirname(target), name), { recursive: true, force: true }); // of a crashed writer
  }
  const aside = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.partial`);
  mkdirSync(aside);
  try {
    scope(() => writeParts(aside, step, extra, parts));
    syncFolder(aside);
    if (existsSync(target)) renameSync(target, previousOf(target));
    renameSync(aside, target);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    throw error;
  }
  syncFolder(dirname(target));
  rmSync(previousOf(target), { recursive: true, force: true });
}

/** Whether `load` would find a checkpoint in this folder. */
export function exists(folder: string): boolean {
  const target = resolve(folder);
  return [target, previousOf(target)].some((place) => existsSync(join(place, DESCRIPTION)));
}

/**
 * Reads a checkpoint into the given parts, which must have been made as the saved ones were; also sets the default
 * generators. Training that goes on from here takes the same course, bit for bit, as if it had not been interrupted.
 *
 * @returns the step and the extra data
 * @throws TorchError where there is no checkpoint, or it lacks a part; StateDictError or TorchError where a part does
 *   not fit, and SafetensorsError where a file is damaged
 */
export function load<Extra = unknown>(
  folder: string,
  parts: CheckpointParts = {},
): CheckpointProgress<Extra> {
  const target = resolve(folder);
  recover(target);
  const description = readDescription(target);
  scope(() => readParts(target, description, parts));
  return { step: description.step, extra: description.extra as Extra };
}

const DESCRIPTION = "checkpoint.json";

const previousOf = (target: string) => join(dirname(target), `.${basename(target)}.previous`);

/** A folder cannot replace another one in one move: where a crash came between the two, the old one is moved back. */
function recover(target: string): void {
  const previous = previousOf(target);
  if (!existsSync(previous)) return;
  if (existsSync(target)) rmSync(previous, { recursive: true, force: true });
  else renameSync(previous, target);
}

function writeParts(folder: string, step: number, extra: unknown, parts: CheckpointParts): void {
  for (const [file, model] of named("model", parts.model))
    write(join(folder, file), model.stateDict(), { format: "pt" });
  const optimizers: Record<string, Omit<OptimizerState, "tensors">> = {};
  for (const [file, optimizer] of named("optimizer", parts.optimizer)) {
    const { tensors, ...rest } = optimizer.stateDict();
    write(join(folder, file), tensors);
    optimizers[file] = rest;
  }
  const emaUpdates: Record<string, number> = {};
  for (const [file, ema] of named("ema", parts.ema)) {
    write(join(folder, file), ema.stateDict(), { format: "pt" });
    emaUpdates[file] = ema.updates;
  }
  const states = Object.fromEntries(
    generators(parts).map(([name, generator]) => [name, generator.getState()]),
  );
  write(join(folder, "generators.safetensors"), states);
  const random = Object.fromEntries(named("random", parts.random).map(([name, { state }]) => [name, state]));
  const description: Description = { format: 1, step, extra, optimizers, emaUpdates, random };
  writeFileSynced(join(folder, DESCRIPTION), `${JSON.stringify(description, toJson, 2)}\n`);
}

/** The numbers that JSON lacks, as a diverged loss is, are written as objects; what it would silently lose is refused. */
function toJson(key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return { [NUMBER]: String(value) };
  requireJson(key, value);
  // A tensor refuses to become JSON before this function sees it: its container says where it is.
  if (typeof value === "object" && value !== null) {
    for (const [inner, item] of Object.entries(value)) requireJson(inner, item);
  }
  return value;
}

function requireJson(key: string, value: unknown): void {
  const isLost =
    isTensor(value) ||
    value instanceof Map ||
    value instanceof Set ||
    ArrayBuffer.isView(value) ||
    typeof value === "bigint";
  if (!isLost) return;
  const kind = isTensor(value) ? "tensor" : Object.getPrototypeOf(value).constructor.name;
  throw new TorchError(
    `checkpoint: "${key}" is a ${kind}, which JSON cannot hold. Pass numbers, strings, arrays or plain objects.`,
  );
}

const NUMBER = "$number";

function fromJson(_key: string, value: unknown): unknown {
  const isNumber = typeof value === "object" && value !== null && NUMBER in value;
  return isNumber ? Number(value[NUMBER]) : value;
}

function readParts(folder: string, description: Description, parts: CheckpointParts): void {
  const tensorsOf = (file: string): Record<string, Tensor> => {
    if (!existsSync(join(folder, file))) throw lacks(folder, file);
    return read(join(folder, file)).tensors;
  };
  for (const [file, model] of named("model", parts.model)) model.loadStateDict(tensorsOf(file));
  for (const [file, optimizer] of named("optimizer", parts.optimizer)) {
    const state = description.optimizers[file];
    if (!state) throw lacks(folder, file);
    optimizer.loadStateDict({ ...state, tensors: tensorsOf(file) });
  }
  for (const [file, ema] of named("ema", parts.ema)) {
    const updates = description.emaUpdates[file];
    if (updates === undefined) throw lacks(folder, file);
    ema.loadStateDict(tensorsOf(file), updates);
  }
  const states = tensorsOf("generators.safetensors");
  for (const [name, generator] of generators(parts)) {
    const state = states[name];
    if (state) generator.setState(state.clone());
    else if (!name.startsWith("default.")) throw lacks(folder, name); // a default one: of a device that was not there
  }
  for (const [name, random] of named("random", parts.random)) {
    const state = description.random[name];
    if (!state) throw lacks(folder, name);
    random.state = state;
  }
}

function readDescription(folder: string): Description {
  const path = join(folder, DESCRIPTION);
  if (!existsSync(path))
    throw new TorchError(`${folder} holds no checkpoint. Check the path, or save one first.`);
  let description: Partial<Description>;
  try {
    description = JSON.parse(readFileSync(path, "utf8"), fromJson);
  } catch (cause) {
    throw new TorchError(
      `${path} is no JSON (${cause instanceof Error ? cause.message : cause}). Use another checkpoint.`,
    );
  }
  if (description?.format !== 1) {
    throw new TorchError(
      `${path}: format ${description?.format} is not 1, which this version reads. Use the version that wrote it.`,
    );
  }
  const { step, optimizers, emaUpdates, random } = description;
  const isWhole =
    Number.isSafeInteger(step) &&
    [optimizers, emaUpdates, random].every((part) => typeof part === "object" && part !== null);
  if (!isWhole) throw new TorchError(`${path} is incomplete. Use another checkpoint.`);
  return description as Description;
}

/** The things of a kind with their file names: `model.safetensors` for one, `model.NAME.safetensors` for several. */
function named<T extends object>(kind: string, given: OneOrNamed<T> | undefined): [file: string, thing: T][] {
  if (given === undefined) return [];
  if (Object.getPrototypeOf(given) !== Object.prototype) return [[`${kind}.safetensors`, given as T]];
  return Object.entries(given as Record<string, T>).map(([name, thing]) => {
    if (/^[\w-]+$/.test(name)) return [`${kind}.${name}.safetensors`, thing];
    throw new TorchError(
      `checkpoint: "${name}" cannot name a ${kind}. Use letters, digits, "_" and "-" only.`,
    );
  });
}

function generators(parts: CheckpointParts): [name: string, generator: Generator][] {
  const devices = ["cpu", ...Array.from({ length: cuda.deviceCount() }, (_, i) => `cuda:${i}`)];
  const defaults = devices.map((device): [string, Generator] => [
    `default.${device}`,
    defaultGenerator(device),
  ]);
  return [...defaults, ...named("generator", parts.generator)];
}

function lacks(folder: string, part: string): TorchError {
  return new TorchError(
    `The checkpoint in ${folder} has no ${part}. Load it with the parts that it was saved with.`,
  );
}
