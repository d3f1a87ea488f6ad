/** Inputs that PyTorch refuses to normalise: statistics of a single value, whose variance is undefined. */
import { ShapeError } from '../../core/errors.js';

const product = (sizes: readonly number[]): number => sizes.reduce((count, size) => count * size, 1);

const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/**
 * Throws if a batch norm in training would have only one value in each channel of [B, C, …].
 * @throws ShapeError
 */
export function expectSeveralValues(caller: string, shape: readonly number[]): void {
  const [batch = 1, , ...space] = shape;
  if (batch * product(space) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one value per channel is needed in training, but ${shown(shape)} has one: ` +
      'use a larger batch or more positions, or normalise with the running statistics (eval())',
  );
}

/**
 * Throws if an instance norm with the input's own statistics would have only one position in each sample of [B, C, …].
 * @throws ShapeError
 */
export function expectSeveralPositions(caller: string, shape: readonly number[]): void {
  if (product(shape.slice(2)) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one spatial element is needed to normalise a sample, but ${shown(shape)} has one: ` +
      'the result would be zero for every input',
  );
}

/**
 * Throws if a group norm would have only one value in each group of [B, C, …], counted over the batch as in PyTorch.
 * @throws ShapeError
 */
export function expectSeveralInGroups(caller: string, shape: readonly number[], groups: number): void {
  const [batch = 1, channels = 1, ...space] = shape;
  if (shape.length < 2 || Math.floor((batch * channels) / groups) * product(space) !== 1) return;
  throw new ShapeError(
    `${caller}: more than one value per group is needed, but ${shown(shape)} in ${groups} groups has one: ` +
      'the result would be zero for every input. Use fewer groups',
  );
}
