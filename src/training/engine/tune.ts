/** Measurements for `auto`: idle processors and the faster precision. */
import { availableParallelism, cpus } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Precision } from '../../runs/setting-kinds.js';
import * as torch from '../../torch/index.js';
import { keepingGenerators } from './generators.js';
import type { HalfDType } from './precision.js';

/** Threads of libtorch before a run chose fewer by itself, and its choice, which does not bind the runs after it. */
let before = { threads: 0, chosen: 0 };

/**
 * Counts the processors that are currently idle: with more threads than these, threads wait for each other at every
 * operator. At most those that the program gave libtorch.
 *
 * @param idle counts idle processors, by default over 300 ms
 */
export async function idleProcessors(idle: () => Promise<number> = idleNow): Promise<number> {
  const present = torch.getNumThreads();
  const threads = present === before.chosen ? before.threads : present;
  const count = Math.min(availableParallelism(), threads);
  if (count === 1) return 1;
  const chosen = Math.max(1, Math.min(count, Math.round(await idle())));
  before = { threads, chosen };
  return chosen;
}

async function idleNow(): Promise<number> {
  const times = () =>
    cpus().map(({ times: t }) => ({ idle: t.idle, all: t.idle + t.user + t.sys + t.nice + t.irq }));
  const start = times();
  await setTimeout(300);
  return times().reduce((sum, now, i) => {
    const { idle: was, all } = start[i] ?? { idle: 0, all: 0 };
    return sum + (now.idle - was) / Math.max(1, now.all - all);
  }, 0);
}

/** Returns the precision with the shorter step time, and adds a note that says why. Only what can win is timed. */
export function fasterPrecision(
  device: torch.Device,
  notes: string[],
  measure: (precision: Precision) => number,
): Precision {
  const lower = fastestHalf(device);
  const [single, half] = keepingGenerators<[number, number]>(device, () => [
    measure('float32'),
    measure(lower),
  ]);
  const chosen = half < single ? lower : 'float32';
  const shown = (ms: number) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  notes.push(`precision: ${chosen} (a step takes ${shown(single)} in float32, ${shown(half)} in ${lower})`);
  return chosen;
}

/** Returns a note if a run computes in a precision that its device is slow in; null if it does not. */
export function noteOnPrecision(precision: Precision, device: torch.Device): string | null {
  if (device !== 'cpu' || !precision.endsWith('float16') || precision.endsWith('bfloat16')) return null;
  return (
    `training.precision=${precision}: processors compute in float16 many times more slowly than in float32; ` +
    'bfloat16 may be faster, which training.precision=auto measures'
  );
}

/**
 * Returns the precision of 16 bits that can be the fastest on a device: bfloat16, and float16 on a GPU without bfloat16,
 * before Ampere. Autocast computes the same products, and moves norms and activations through float32 memory besides.
 */
export function fastestHalf(
  device: torch.Device,
  capabilityOf: (device: torch.Device) => readonly number[] = torch.cuda.deviceCapability,
): HalfDType {
  if (!device.startsWith('cuda')) return 'bfloat16';
  const [major = 0] = capabilityOf(device);
  return major < 8 ? 'float16' : 'bfloat16';
}

/** Returns the fastest of a few timed calls in milliseconds, after two untimed ones: other programs only add time. */
export function timeSteps(step: () => void, count = 5): number {
  const times = Array.from({ length: count + 2 }, () => {
    const start = performance.now();
    step();
    return performance.now() - start;
  });
  return Math.min(...times.slice(2));
}
