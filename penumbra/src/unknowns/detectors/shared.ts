import { scope, Tensor } from "@penumbra/torch";

/** Makes something of some images once for all detectors that look at them. */
export interface Sharing {
  /**
   * What `make` gives, of the first detector that asks for it by this name; without {@link Shared}, always made anew.
   * @param name says what it is of these images, and by which settings
   */
  once<T extends object>(name: string, make: () => T): T;
}

/** Nothing is kept. */
export const ALONE: Sharing = { once: (_, make) => make() };

/**
 * What several detectors work out of the same images, such as the covariance of their features: passed as `shared` beside
 * them, it is made once. One for one list of images; the caller releases it.
 */
export class Shared implements Sharing {
  readonly #made = new Map<string, object>();

  once<T extends object>(name: string, make: () => T): T {
    const known = this.#made.get(name);
    if (known) return known as T;
    const made = scope(make);
    for (const tensor of tensorsOf(made)) tensor.keep();
    this.#made.set(name, made);
    return made;
  }

  dispose(): void {
    for (const made of this.#made.values()) for (const tensor of tensorsOf(made)) tensor.dispose();
    this.#made.clear();
  }
}

/** The tensors among the values of an object, and of objects in it. */
function tensorsOf(made: object): Tensor[] {
  return Object.values(made).flatMap((value: unknown) => {
    if (value instanceof Tensor) return [value];
    return typeof value === "object" && value !== null && !Array.isArray(value) ? tensorsOf(value) : [];
  });
}
