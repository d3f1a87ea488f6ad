/** The images that `sample` draws, in order, each with its condition and its seed. */
import type { ConditionInput } from '../../../models/conditions/condition.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { SampleFlags } from './command.js';
import type { ChosenCondition } from './condition.js';

/** An image to draw. */
export interface PlannedImage {
  /** Number of the image, from 0. */
  index: number;
  condition: ChosenCondition;
  /** Number of the image among those of its condition, from 0. */
  turn: number;
  /** Seed of its own; null if the batches share one. */
  seed: number | null;
}

type SeedFlags = Pick<SampleFlags, 'n' | 'seed' | 'seeds' | 'perImageSeeds'>;

/** Plans `n` images of each condition, one condition after the other. */
export function planImages(
  conditions: readonly ChosenCondition[],
  { n, seed, seeds, perImageSeeds }: SeedFlags,
): PlannedImage[] {
  const own = seeds ?? Array.from({ length: n }, (_, i) => (perImageSeeds ? seed + i : null));
  return conditions.flatMap((condition, c) =>
    own.map((imageSeed, i) => ({ index: c * own.length + i, condition, turn: i, seed: imageSeed })),
  );
}

/** Returns the rows for the condition to encode, and the seeds, of images that are drawn together. */
export function batchOf(images: readonly PlannedImage[]): { rows: ConditionInput; seeds: number[] | null } {
  const seeds = images.flatMap(({ seed }) => (seed === null ? [] : [seed]));
  const rowsOf = (pick: (condition: ChosenCondition) => Tensor) =>
    torch.cat(images.map(({ condition, turn }) => inTurn(pick(condition), turn)));
  const { row } = images[0]!.condition;
  return {
    rows:
      row instanceof torch.Tensor
        ? rowsOf((condition) => condition.row as Tensor)
        : row.map((_, i) => rowsOf((condition) => (condition.row as readonly Tensor[])[i]!)),
    seeds: seeds.length > 0 ? seeds : null,
  };
}

/** Returns the row of an image: the images of a condition get its rows in turn. */
const inTurn = (rows: Tensor, turn: number): Tensor => rows.narrow(0, turn % rows.shape[0]!, 1);

/** Returns the entries of the recipe that are an image's own. */
export function recipeOf({ condition, seed }: PlannedImage): Record<string, unknown> {
  return { ...(seed !== null && { seed, perImageSeeds: true }), ...condition.recipe };
}
