/** Values of published implementations: tests/fixtures/metrics, recorded in float64; its README names the sources. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { need, relativeError } from '../golden/data.js';

const path = (file: string) => fileURLToPath(new URL(`../fixtures/metrics/${file}`, import.meta.url));

const file = await loadCheckpoint(path('metrics.safetensors'));
const tensors = new Map([...file.all.keys()].map((key) => [key, torch.keep(file.all.get(key)!)]));
file.close();
const { values } = JSON.parse(readFileSync(path('metrics.json'), 'utf8')) as {
  values: Record<string, number | number[]>;
};

/** Returns an input by its name. */
export const input = (name: string): torch.Tensor => need(tensors, name);

/** Returns a recorded value by its name. */
export function recorded(name: string): number[] {
  const value = values[name];
  if (value === undefined) throw new Error(`metrics.json has no ${name}`);
  return [value].flat();
}

/** Compares a value with the one that was recorded. */
export function equals(
  t: ExecutionContext,
  actual: number | readonly number[],
  name: string,
  bound = 1e-9,
): void {
  const error = relativeError([actual].flat(), recorded(name));
  t.true(error <= bound, `${name}: ${String(actual)}, recorded ${String(recorded(name))}, error ${error}`);
}
