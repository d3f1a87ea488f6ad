import { InvalidArgumentError, Option } from 'commander';

/**
 * Returns a parser of a number on the command line.
 *
 * @param wanted completes "It must be …"
 */
export function numeric(fits: (value: number) => boolean, wanted: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!fits(value)) throw new InvalidArgumentError(`It must be ${wanted}.`);
    return value;
  };
}

/** Returns an option that takes one of `values`, and `otherwise` if it is not given. */
export function choice(flags: string, help: string, values: readonly string[], otherwise?: string): Option {
  return new Option(flags, help).choices(values).default(otherwise);
}

export const natural = numeric((n) => Number.isSafeInteger(n) && n >= 0, 'a non-negative integer');

export const positiveInteger = numeric((n) => Number.isSafeInteger(n) && n > 0, 'a positive integer');

/** Collects the values of a flag that may be given several times. */
export const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value];

/** Returns the action of a command: it loads its work on demand and calls it with the arguments and the flags. */
export const onDemand =
  <A extends unknown[]>(load: () => Promise<(...given: A) => Promise<void>>) =>
  async (...given: unknown[]): Promise<void> => {
    const run = await load();
    await run(...(given.slice(0, -1) as A)); // The last one is commander's command.
  };
