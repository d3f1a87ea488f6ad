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
  const upTo = (count: number) => torch.arange(count, { dtype: 'int64', device });
  const number = (value: number) => torch.tensor([BigInt(value)], { device });
  const [low, high] = [number(seed % WORD), number(Math.floor(seed / WORD))];
  const rows = upTo(batch).mul(STRIDE).unsqueeze(1); // [B, 1]
  const ids = upTo(vocabulary).mul(STRIDE); // [V]
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
