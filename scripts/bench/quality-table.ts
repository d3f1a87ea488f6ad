// The table and the verdict of quality.ts.
import type { ArmName, Finished, Quality } from './quality-runs.js';

const columns = [
  ['psnr', 'PSNR, dB', 2],
  ['perplexity', 'perplexity', 1],
  ['used', 'distinct codes', 1],
] as const satisfies readonly (readonly [keyof Quality, string, number])[];

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Returns the means of runs, and the range of each metric over them. */
function summarized(runs: readonly Quality[]) {
  return columns.map(([key, , digits]) => {
    const values = runs.map((run) => run[key]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const range = values.length > 1 ? ` (${low.toFixed(digits)}–${high.toFixed(digits)})` : '';
    return { value: mean(values), text: mean(values).toFixed(digits) + range };
  });
}

/** Prints the means over seeds and which arm is ahead; returns the exit code. */
export function verdict(
  chosen: ReadonlyMap<ArmName, readonly Finished[]>,
  tried: readonly Finished[],
  rates: readonly number[],
): number {
  const [width, column] = [34, 24];
  const line = (name: string, cells: readonly string[]) =>
    console.log(name.padEnd(width) + cells.map((cell) => cell.padStart(column)).join(''));
  console.log();
  line(
    'first seed, by learning rate',
    columns.map(([, label]) => label),
  );
  for (const run of tried)
    line(
      `  ${run.arm}, ${run.rate}`,
      summarized([run.quality]).map(({ text }) => text),
    );
  line('mean of all seeds', []);
  for (const [arm, runs] of chosen) {
    line(
      `  ${arm}, ${runs[0]!.rate}`,
      summarized(runs.map(({ quality }) => quality)).map(({ text }) => text),
    );
  }
  const averaged = chosen.get('ours')?.flatMap((run) => run.averaged ?? []) ?? [];
  if (averaged.length > 0)
    line(
      '  ours with EMA',
      summarized(averaged).map(({ text }) => text),
    );
  for (const [arm, [best]] of chosen) {
    if (rates.length < 2 || ![Math.min(...rates), Math.max(...rates)].includes(best!.rate)) continue;
    console.log(
      `the best learning rate of ${arm}, ${best!.rate}, is at an end of --rates: a further one may be better`,
    );
  }
  const [ours, theirs] = [chosen.get('ours'), chosen.get('theirs')];
  if (!ours || !theirs) return 0;
  const [a, b] = [ours, theirs].map((runs) => summarized(runs.map(({ quality }) => quality)));
  const below = columns.filter((_, i) => a![i]!.value < b![i]!.value).map(([, label]) => label);
  console.log(below.length === 0 ? 'ours is not below in any metric' : `ours is below: ${below.join(', ')}`);
  return below.length === 0 ? 0 : 1;
}
