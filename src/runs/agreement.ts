/**
 * Agreement of a run's processes on what they all do after a step. Their clocks differ, and a signal reaches one of them
 * first; therefore the first process decides, and any of them can ask to stop.
 */
import * as torch from '../torch/index.js';

export interface Agreement {
  /** True if one of the processes was asked to stop. */
  stop: boolean;
  /** True if one of the processes was asked for a checkpoint. */
  ask: boolean;
  /** Completed share of the run, 0 to 1. */
  progress: number;
  log: boolean;
  images: boolean;
  save: boolean;
}

/** Returns the decisions that hold for all processes, from those that each of them has made on its own. */
export function agreeOn({ stop, ask, progress, log, images, save }: Agreement): Agreement {
  const own = [progress, Number(log), Number(images), Number(save)];
  const given = torch.distributed.rank() === 0 ? own : own.map(() => -1);
  const [stops, asks, share, ...due] = torch.scope(() => {
    const values = torch.tensor([Number(stop), Number(ask), ...given], { dtype: 'float64' });
    torch.distributed.allReduce(values, { op: 'max' });
    return values.tolist() as number[];
  });
  const [logs, draws, saves] = due.map((value) => value === 1) as [boolean, boolean, boolean];
  return { stop: stops === 1, ask: asks === 1, progress: share!, log: logs, images: draws, save: saves };
}

/** Returns the mean of each number over all processes; in a single one, the numbers. */
function meanOver(values: Record<string, number>): Record<string, number> {
  if (torch.distributed.worldSize() === 1) return values;
  const means = torch.scope(() => {
    const all = torch.tensor(Object.values(values), { dtype: 'float64' });
    torch.distributed.allReduce(all, { op: 'avg' });
    return all.tolist() as number[];
  });
  return Object.fromEntries(Object.keys(values).map((key, i) => [key, means[i]!]));
}

/** Reads losses as numbers, which waits for the device; their means over all processes. */
export function readLosses(losses: Readonly<Record<string, torch.Tensor | number>>): Record<string, number> {
  const own = Object.entries(losses).map(([name, value]): [string, number] => [
    name,
    typeof value === 'number' ? value : value.item(),
  ]);
  return meanOver(Object.fromEntries(own));
}
