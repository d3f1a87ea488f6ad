/** States of the random generators in checkpoints: those of every process of a run. */
import { SeededRandom } from '../data/seeded-random.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Name of a generator in a checkpoint; the first process has no number. */
const nameOf = (place: string, rank: number) => `random.${place}${rank === 0 ? '' : `.${rank}`}`;

/** Returns the states of the default generators of all processes by name. */
export function generatorStates(device: torch.Device): Map<string, Tensor> {
  const states = new Map<string, Tensor>();
  for (const place of new Set(['cpu', device])) {
    const own = torch.keep(torch.defaultGenerator(place).getState());
    const alone = torch.distributed.worldSize() === 1;
    const all = alone ? [own] : torch.keep(torch.distributed.allGather(own));
    all.forEach((state, rank) => states.set(nameOf(place, rank), state));
  }
  return states;
}

/** Restores this process's generators. One that was not there when they were saved begins with a seed of its own. */
export function restoreGenerators(
  states: ReadonlyMap<string, Tensor> | { has(key: string): boolean; get(key: string): Tensor | undefined },
  device: torch.Device,
  { seed, step }: { seed: number; step: number },
): void {
  const rank = torch.distributed.rank();
  for (const place of new Set(['cpu', device])) {
    const state = states.get(nameOf(place, rank));
    if (state) torch.defaultGenerator(place).setState(state);
    else if (rank > 0) seedOwn(seed, step);
  }
}

/**
 * Gives every process but the first random numbers of its own, by the run's seed: they must draw other noise for their
 * images. Does nothing in the first.
 */
export function seedOwn(seed: number, step = 0): void {
  const rank = torch.distributed.rank();
  if (rank > 0) torch.manualSeed(new SeededRandom(seed + rank, step).integer(2 ** 32));
}
