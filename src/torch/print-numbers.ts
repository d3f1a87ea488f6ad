/** Formats the numbers of one tensor, all in the same notation and padded to the same width. */
export interface NumberFormat {
  width: number;
  format(value: number | bigint | boolean): string;
}

// PyTorch's defaults.
const DIGITS = 4;
const FAR_APART = 1000;
const LARGE = 1e8;
const SMALL = 1e-4;

/** Integers and booleans. */
export function integerFormat(values: readonly (number | bigint | boolean)[]): NumberFormat {
  const text = (value: number | bigint | boolean): string =>
    typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
  const width = values.reduce<number>((longest, value) => Math.max(longest, text(value).length), 1);
  return { width, format: (value) => text(value).padStart(width) };
}

/**
 * Floats: whole numbers as `2.`, others with four digits, and all in scientific notation if one is too large or too
 * small or two are too far apart. Values that are not finite, and zeros, do not count.
 */
export function floatFormat(values: Float64Array): NumberFormat {
  const deciding = Array.from(values).filter((value) => Number.isFinite(value) && value !== 0);
  const sizes = deciding.map(Math.abs);
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Infinity);
  const whole = deciding.every(Number.isInteger);
  const scientific =
    deciding.length > 0 &&
    (largest / smallest > FAR_APART || largest > LARGE || (!whole && smallest < SMALL));
  const text = (value: number): string => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
    if (scientific) return exponential(value);
    return whole ? `${fixed(value, 0)}.` : fixed(value, DIGITS);
  };
  const width = deciding.reduce((longest, value) => Math.max(longest, text(value).length), 1);
  return { width, format: (value) => text(value as number).padStart(width) };
}

/** Formats as C does: JavaScript rounds halves up, not to even, and loses the sign of zero. */
function fixed(value: number, digits: number): string {
  const size = Math.abs(value);
  const text = size.toFixed(digits);
  return sign(value) + (isHalf(size, digits) && isOdd(text) ? justBelow(size).toFixed(digits) : text);
}

function exponential(value: number): string {
  const size = Math.abs(value);
  const power = Math.floor(Math.log10(size));
  let [mantissa, exponent] = size.toExponential(DIGITS).split('e') as [string, string];
  if (isHalf(size, DIGITS - power) && isOdd(mantissa)) {
    [mantissa, exponent] = justBelow(size).toExponential(DIGITS).split('e') as [string, string];
  }
  return `${sign(value)}${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

/**
 * True if a number is exactly halfway between two neighbours of so many decimals: it is then a multiple of a power of
 * two.
 */
function isHalf(size: number, decimals: number): boolean {
  const halves = decimals >= 0 ? size * 2 ** (decimals + 1) : (size * 2) / 10 ** -decimals;
  return (
    Number.isInteger(halves) && halves % 2 === 1 && (decimals >= 0 || (size * 2) % 10 ** -decimals === 0)
  );
}

function justBelow(size: number): number {
  return size * (1 - Number.EPSILON);
}

function isOdd(digits: string): boolean {
  return Number(digits.at(-1)) % 2 === 1;
}

function sign(value: number): string {
  return value < 0 || Object.is(value, -0) ? '-' : '';
}
