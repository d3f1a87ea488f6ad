/** Checks that images, loaders and grids share. */

/**
 * Checks options that are integers with a smallest value.
 * @throws RangeError that begins with `what` and names the first that is not
 */
export function checkIntegers(
  what: string,
  options: Readonly<Record<string, readonly [value: number, least: number]>>,
): void {
  for (const [name, [value, least]] of Object.entries(options)) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`${what} ${name} must be an integer of at least ${least}, got ${value}`);
  }
}

/** Returns the item of an image. @throws RangeError for an index that is out of range */
export function itemAt<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined)
    throw new RangeError(`image index ${index} is out of range for ${items.length} images`);
  return item;
}
