/** What PyTorch refuses before it normalises: statistics of a single value, whose variance is no number. */
import { ShapeError } from '../../core/errors.js';

const product = (sizes: readonly number[]): number => sizes.reduce((count, size) => count * size, 1);

const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/**
 * Throws where a batch norm in training would find one value in each channel of [B, C, …].
 * @throws ShapeError
 */
export function expectSeveralValues(caller: string, shape: readonly number[]): void {
  const [batch = 1, , ...space] = shape;
  if (batch * product(space) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one value a channel is needed in training, and ${shown(shape)} has one: ` +
      'give a larger batch or more positions, or normalise by the running statistics (eval())',
  );
}

/**
 * Throws where an instance norm by the input's own statistics would find one position in each sample of [B, C, …].
 * @throws ShapeError
 */
export function expectSeveralPositions(caller: string, shape: readonly number[]): void {
  if (product(shape.slice(2)) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one spatial element is needed to normalise a sample by itself, and ${shown(shape)} has one: ` +
      'the result would be zero whatever the input is',
  );
}

/**
 * Throws where a group norm would find one value in each group of [B, C, …], as PyTorch counts: over the batch.
 * @throws ShapeError
 */
export function expectSeveralInGroups(caller: string, shape: readonly number[], groups: number): void {
  const [batch = 1, channels = 1, ...space] = shape;
  if (shape.length < 2 || Math.floor((batch * channels) / groups) * product(space) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one value a group is needed, and ${shown(shape)} in ${groups} groups has one: ` +
      'the result would be zero whatever the input is. Take fewer groups',
  );
}
