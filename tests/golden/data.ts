/** Reading the reference data in tests/fixtures/golden, and the measure it is compared by. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';

export type Weights = Map<string, Tensor>;

/** One comparison: it holds if `error` is at most `bound`. */
export interface Check {
  name: string;
  error: number;
  bound: number;
}

/** Bounds of tests/fixtures/golden/README.md. */
export const bounds = { float64: 1e-6, trajectory: 1e-5, float32: 1e-4, exact: 0 } as const;

/** Largest value of a tensor that counts as zero: exact zeros become noise near 1e-17 in float64. */
const absoluteFloor = 1e-12;

export interface GoldenConfig {
  config: {
    seed: number;
    lp: number;
    q: number;
    dd: {
      double_z: boolean;
      z_channels: number;
      resolution: number;
      in_channels: number;
      out_ch: number;
      ch: number;
      ch_mult: number[];
      num_res_blocks: number;
      attn_resolutions: number[];
      dropout: number;
    };
    n_embed: number;
    embed_dim: number;
    loss: {
      disc_start: number;
      disc_weight: number;
      codebook_weight: number;
      disc_num_layers: number;
      disc_ndf: number;
      disc_loss: 'hinge' | 'vanilla';
    };
    B: number;
    lr: number;
    steps: number;
    gpt: { vocab_size: number; block_size: number; n_layer: number; n_head: number; n_embd: number };
  };
  scalars: Record<string, number>;
  trajectory: Record<string, number>[];
  finalNorms: Record<string, number>;
  emaLosses: number[];
  emaKeys: string[];
  gumbelSeed: number;
  adamwDecay: string[];
  adamwNoDecay: string[];
}

function goldenPath(file: string): string {
  return fileURLToPath(new URL(`../fixtures/golden/${file}`, import.meta.url));
}

/** `golden.json`. */
export function goldenConfig(): GoldenConfig {
  return JSON.parse(readFileSync(goldenPath('golden.json'), 'utf8')) as GoldenConfig;
}

export interface ListedModel {
  /** The reference's own structure, as `modelFromConfig` takes it. */
  config: { target: string; params: Record<string, unknown> };
  /** Every state-dict key with shape and dtype, in order. */
  keys: [key: string, shape: number[], dtype: string][];
}

/** `state-dict-keys.json.gz`: seven configurations by name. */
export function goldenKeys(): Record<string, ListedModel> {
  const text = gunzipSync(readFileSync(goldenPath('state-dict-keys.json.gz'))).toString('utf8');
  return JSON.parse(text) as Record<string, ListedModel>;
}

/** All tensors of a golden safetensors file, kept for the life of the process. Checks run on the device their data is on. */
export async function goldenTensors(name: string, device: torch.Device = 'cpu'): Promise<Weights> {
  const file = await loadCheckpoint(goldenPath(`${name}.safetensors`));
  try {
    return new Map(
      [...file.tensors.keys()].map((key) => [key, torch.keep(file.tensors.get(key)!.to(device))]),
    );
  } finally {
    file.close();
  }
}

/** The part of a state dict below `prefix`, which is removed. */
export function below(weights: Weights, prefix: string): Weights {
  const found = [...weights].filter(([key]) => key.startsWith(prefix));
  return new Map(found.map(([key, tensor]) => [key.slice(prefix.length), tensor]));
}

/** The tensor of that name; an error if the file lacks it, so that no check passes for want of data. */
export function need(tensors: Weights, key: string): Tensor {
  const tensor = tensors.get(key);
  if (!tensor) throw new Error(`the golden file has no ${key}`);
  return tensor;
}

/** Returns the device of the data, and so of the models that are compared with it. */
export function deviceOf(tensors: Weights): torch.Device {
  const [tensor] = tensors.values();
  if (!tensor) throw new Error('no data, so no device');
  return tensor.device;
}

/** Values as JS numbers, in row-major order. */
export function values(tensor: Tensor): number[] {
  return torch.scope(() =>
    Array.from(tensor.detach().to('float64').contiguous().toTypedArray() as Float64Array),
  );
}

/** max|a − b| / max|b|; infinite if shapes differ; NaN equals NaN, infinities equal themselves. */
export function relativeError(
  actual: readonly number[],
  expected: readonly number[],
  floor = absoluteFloor,
): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  let largest = 0;
  for (const [i, b] of expected.entries()) {
    const a = actual[i]!;
    if (Number.isFinite(b)) largest = Math.max(largest, Math.abs(b));
    if (Object.is(a, b) || a === b) continue; // also NaN and infinities
    const apart = Math.abs(a - b);
    difference = Math.max(difference, Number.isNaN(apart) ? Infinity : apart);
  }
  return largest <= floor && difference <= floor ? 0 : difference / largest;
}

/** Compares by the golden measure; the number of elements must agree, the shape may differ (a scalar is stored as [1]). */
export function compare(name: string, actual: Tensor, expected: Tensor, bound: number): Check {
  return { name, error: relativeError(values(actual), values(expected)), bound };
}

/** Compares integers, of any shape: the error is the number of those that differ. */
export function compareExact(name: string, actual: Tensor, expected: Tensor): Check {
  const [a, b] = [values(actual), values(expected)];
  const error = a.length === b.length ? b.filter((value, i) => value !== a[i]).length : Infinity;
  return { name, error, bound: bounds.exact };
}

/** Compares single numbers. */
export function compareNumber(name: string, actual: number, expected: number, bound: number): Check {
  return { name, error: relativeError([actual], [expected]), bound };
}

/** The checks that do not hold. A NaN error is a failure. */
export function failures(checks: readonly Check[]): Check[] {
  return checks.filter(({ error, bound }) => !(error <= bound));
}

/** Largest error of a group of checks, for messages. */
export function worst(checks: readonly Check[]): Check {
  return checks.reduce((most, check) => (check.error <= most.error ? most : check));
}
