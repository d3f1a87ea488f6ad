/** The images that `sample` draws, in order: of which condition, and with which seed. */
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { ChosenCondition } from './condition.js';

/** An image to draw. */
export interface PlannedImage {
  /** Number of the image, from 0. */
  index: number;
  condition: ChosenCondition;
  /** Seed of its own; null if the batches share one. */
  seed: number | null;
}

interface SeedFlags {
  n: number;
  seed: number;
  seeds?: readonly number[];
  perImageSeeds?: boolean;
}

/** Plans `n` images of each condition, one condition after the other. */
export function planImages(
  conditions: readonly ChosenCondition[],
  { n, seed, seeds, perImageSeeds }: SeedFlags,
): PlannedImage[] {
  const own = seeds ?? Array.from({ length: n }, (_, i) => (perImageSeeds ? seed + i : null));
  return conditions.flatMap((condition, c) =>
    own.map((imageSeed, i) => ({ index: c * own.length + i, condition, seed: imageSeed })),
  );
}

/** Returns the rows of what the condition encodes, and the seeds, of images that are drawn together. */
export function batchOf(images: readonly PlannedImage[]): { rows: Tensor; seeds: number[] | null } {
  const seeds = images.flatMap(({ seed }) => (seed === null ? [] : [seed]));
  return {
    rows: torch.cat(images.map(({ condition }) => condition.row)),
    seeds: seeds.length > 0 ? seeds : null,
  };
}

/** Returns the entries of the recipe that are an image's own. */
export function recipeOf({ condition, seed }: PlannedImage): Record<string, unknown> {
  return { ...(seed !== null && { seed, perImageSeeds: true }), ...condition.recipe };
}
