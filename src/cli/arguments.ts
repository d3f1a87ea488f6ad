import { InvalidArgumentError } from 'commander';

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

export const positiveInteger = numeric((n) => Number.isSafeInteger(n) && n > 0, 'a positive integer');
