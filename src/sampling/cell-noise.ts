/** Random numbers that belong to a cell of an image, whatever the order in which cells are drawn. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

const WORD = 2 ** 32;
const LOW = WORD - 1;
const STRIDE = 0x9e3779b9;

/** Finaliser of MurmurHash3 on the low 32 bits of int64 values. Products wrap around, which keeps their low bits. */
function mix(values: Tensor): Tensor {
  let x = values.bitwiseAnd(LOW);
  x = x.bitwiseXor(x.bitwiseRightShift(16)).mul(0x85ebca6b).bitwiseAnd(LOW);
  x = x.bitwiseXor(x.bitwiseRightShift(13)).mul(0xc2b2ae35).bitwiseAnd(LOW);
  return x.bitwiseXor(x.bitwiseRightShift(16));
}

/** Gives the exponential noise `[B, K, V]` float64 of cells `[K]`, each a number from 0. */
export type CellNoise = (cells: Tensor) => Tensor;

const upTo = (count: number, device: torch.Device) => torch.arange(count, { dtype: 'int64', device });

/**
 * Returns noise with which tokens are drawn: a function of the seed, the row of the batch, the cell and the id alone, and
 * the same on every device.
 *
 * @param seed integer from 0 to 2^53 − 1
 */
export function cellNoise(
  seed: number,
  { batch, vocabulary, device }: { batch: number; vocabulary: number; device: torch.Device },
): CellNoise {
  const rows = upTo(batch, device).mul(STRIDE).unsqueeze(1); // [B, 1]
  return noiseOf(seedWords([seed], device), rows, vocabulary);
}

/** Returns {@link cellNoise} of rows that have a seed of their own each, as if each were the first row of its batch. */
export function rowNoise(words: Tensor, vocabulary: number): CellNoise {
  return noiseOf(words, words.select(0, 0).zerosLike(), vocabulary);
}

/** Returns the low and high words of seeds, integers from 0 to 2^53 − 1: `[2, B, 1]` int64. */
export function seedWords(seeds: readonly number[], device: torch.Device): Tensor {
  const words = [seeds.map((seed) => seed % WORD), seeds.map((seed) => Math.floor(seed / WORD))];
  return torch.tensor(
    words.map((row) => row.map((word) => [BigInt(word)])),
    { device },
  );
}

/** @throws RangeError if there is not one seed for each row, an integer from 0 to 2^53 − 1 */
export function checkSeeds(caller: string, seeds: readonly number[] | null | undefined, batch: number): void {
  if (!seeds) return;
  const wrong = seeds.find((seed) => !(Number.isSafeInteger(seed) && seed >= 0));
  if (wrong === undefined && seeds.length === batch) return;
  const what = wrong === undefined ? `${seeds.length} seeds for ${batch} rows` : `the seed ${wrong}`;
  throw new RangeError(`${caller}: seeds must be one integer from 0 to 2^53 − 1 for each row, got ${what}.`);
}

/** @throws RangeError if rows are given seeds where tokens are not drawn one after another */
export function refuseSeeds(caller: string, seeds: readonly number[] | null | undefined): void {
  if (!seeds) return;
  throw new RangeError(
    `${caller}: seeds are for tokens that are drawn one after another; a model that draws all tokens at once takes a generator.`,
  );
}

function noiseOf(words: Tensor, rows: Tensor, vocabulary: number): CellNoise {
  const [low, high] = [words.select(0, 0), words.select(0, 1)]; // [1 or B, 1]
  const ids = upTo(vocabulary, words.device).mul(STRIDE); // [V]
  // Two keys of 32 bits: among some hundred thousand cells, single ones would often be equal.
  const starts = [mix(mix(low).add(high)), mix(mix(high.add(STRIDE)).add(low))].map((start) =>
    mix(rows.add(start)).mul(STRIDE),
  );
  return (cells) =>
    torch.scope(() => {
      const [first, second] = starts.map((start) => mix(start.add(cells)).unsqueeze(2)); // [B, K, 1]
      const words = mix(mix(ids.add(first!)).bitwiseXor(second!)); // [B, K, V]
      return words.double().add(0.5).div(WORD).log().neg();
    });
}
