import { dirname } from "node:path";
import { cannotWrite } from "../file-error.ts";
import type { Tensor } from "../tensor/index.ts";
import { call, native, scope } from "../tensor/index.ts";
import { syncFolder, writeWholeFile } from "../whole-file.ts";
import { PickleError } from "./error.ts";
import type { Saved } from "./load.ts";
import { Pickler } from "./pickle.ts";
import { ZipWriter } from "./zip-write.ts";

/** Bytes at once, on their way from a tensor's memory into the file. */
const CHUNK = 2 ** 26;

/**
 * Writes tensors and plain containers as PyTorch's `torch.save` does, for `torch.load(path, weights_only=True)` in
 * Python and for `load` here: aside, flushed to the disk, then renamed, so that a crash leaves the old file or the new
 * one. Objects and maps become dictionaries, arrays lists; whole numbers become Python's int, all others float. Tensors
 * that share a storage share it in the file; a view brings its whole storage along, so save a `clone()` of a small one.
 *
 * @throws PickleError for a value that has no plain form in Python, or when the file cannot be written; nothing is left
 *   behind then
 * @example torch.save({ model: model.stateDict(), epoch: 3 }, "checkpoint.pt");
 */
export function save(value: Saved, path: string): void {
  try {
    writeWholeFile(path, (descriptor) =>
      scope(() => {
        const storages = new Storages();
        const pickle = new Pickler(path, (tensor, part) => storages.keyOf(tensor, path, part)).pickle(value);
        const zip = new ZipWriter(descriptor);
        const add = (name: string, content: Uint8Array) =>
          zip.add(`archive/${name}`, content.length, [content]);
        add("data.pkl", pickle);
        add("byteorder", Buffer.from("little"));
        for (const { key, bytes, holder } of storages.list) {
          zip.add(`archive/data/${key}`, bytes, piecesOf(holder, bytes));
        }
        add("version", Buffer.from("3\n"));
        zip.end();
      }),
    );
  } catch (cause) {
    if (cause instanceof PickleError) throw cause;
    throw new PickleError(path, ...cannotWrite(cause));
  }
  syncFolder(dirname(path));
}

interface Storage {
  readonly key: string;
  readonly bytes: number;
  /** A tensor that has this storage. */
  readonly holder: Tensor;
}

/** The storages of the tensors that are saved, each once. */
class Storages {
  readonly #byAddress = new Map<string, Storage>();

  get list(): Iterable<Storage> {
    return this.#byAddress.values();
  }

  /** @throws PickleError for a second dtype over the same memory: Python would read it as the first */
  keyOf(tensor: Tensor, file: string, part: string): Storage {
    const { address, bytes } = native.storage(tensor);
    const known = this.#byAddress.get(address);
    if (known && known.holder.dtype !== tensor.dtype) {
      const problem = `shows as ${tensor.dtype} the memory that another tensor shows as ${known.holder.dtype}.`;
      throw new PickleError(file, part, problem, "Save a clone() of one of them.");
    }
    if (known) return known;
    const whole = bytes - (bytes % tensor.itemSize);
    const storage = { key: String(this.#byAddress.size), bytes: whole, holder: tensor };
    this.#byAddress.set(address, storage);
    return storage;
  }
}

/** All bytes of a tensor's storage, in pieces. */
function* piecesOf(holder: Tensor, bytes: number): Generator<Uint8Array> {
  if (bytes === 0) return;
  const whole = holder.detach().asStrided([bytes / holder.itemSize], [1], { storageOffset: 0 });
  const flat = call("aten::view.dtype", whole, "uint8") as Tensor;
  for (let done = 0; done < bytes; done += CHUNK) {
    const piece = flat.narrow(0, done, Math.min(CHUNK, bytes - done)).cpu();
    yield piece.toTyped() as Uint8Array;
    piece.dispose();
  }
}
