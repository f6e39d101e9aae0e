/**
 * Deals the objects of each class to folds in turn, in the order in which they come, so that every fold holds about as
 * many of each class.
 * @returns the fold of each photo, 0 … folds - 1
 */
export function dealObjects(
  photos: readonly { readonly className: string; readonly object: string }[],
  folds: number,
): number[] {
  const objects = new Map<string, string[]>();
  for (const { className, object } of photos) {
    const known = objects.get(className) ?? [];
    objects.set(className, known);
    if (!known.includes(object)) known.push(object);
  }
  return photos.map(({ className, object }) => {
    const own = objects.get(className) as string[];
    return own.indexOf(object) % Math.min(folds, own.length);
  });
}
