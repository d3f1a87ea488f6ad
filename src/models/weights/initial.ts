/** Weights out of a file, whatever wraps them there, and those that a configuration names under `ckpt_path`. */
import { loadCheckpoint } from '../../torch/io/index.js';
import type { Module } from '../../torch/nn/index.js';
import { StateDictError } from '../../torch/nn/state-dict.js';
import type { StateSource } from '../../torch/nn/state-dict.js';
import { loadWeights, planOf } from './load.js';
import type { LoadReport } from './load.js';
import { findPlaces } from './wrapped.js';

/** A checkpoint that a configuration names and that was not loaded. */
export interface UnloadedCheckpoint {
  /** Name of the module inside the model, such as `first_stage_model`; '' for the model itself. */
  readonly module: string;
  /** As `ckpt_path` has it. */
  readonly path: string;
  /** Beginnings of keys that the reference leaves out of it. */
  readonly ignoreKeys: readonly string[];
}

const named = new WeakMap<Module, Omit<UnloadedCheckpoint, 'module'>>();

/** Notes the `ckpt_path` of the parameters a model was built from. */
export function noteCheckpoint(model: Module, params: Readonly<Record<string, unknown>>): void {
  const path = params['ckpt_path'];
  if (typeof path === 'string') named.set(model, { path, ignoreKeys: ignoreKeysOf(params) });
}

/** The beginnings of keys that `ignore_keys` lists; one text counts as a list of one. */
export function ignoreKeysOf(params: Readonly<Record<string, unknown>>): string[] {
  const given = params['ignore_keys'] ?? [];
  const keys = typeof given === 'string' ? [given] : given;
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  throw new TypeError(
    `params.ignore_keys must be a list of beginnings of keys, got ${JSON.stringify(given)}.`,
  );
}

/**
 * The checkpoints that the configuration of a model names under `ckpt_path` and that are not loaded: `modelFromConfig`
 * reads no files. Empty once {@link initFromCkpt} has loaded them.
 */
export function unloadedCheckpoints(model: Module): UnloadedCheckpoint[] {
  return [...model.namedModules()].flatMap(([module, inner]) => {
    const checkpoint = named.get(inner);
    return checkpoint === undefined ? [] : [{ module, ...checkpoint }];
  });
}

/**
 * Loads the checkpoints that the configuration of a model names, as the reference does at construction: inner models
 * first, without the keys of `ignore_keys`; keys that are missing or unknown are told by the reports and are no error.
 *
 * @throws CheckpointError where a file cannot be read; StateDictError where shapes differ or no key fits
 *
 * @example
 * ```ts
 * const model = modelFromConfig((await readConfig('model.yaml')).model);
 * console.log(unloadedCheckpoints(model)); // the `ckpt_path`s that the configuration names
 * await initFromCkpt(model);
 * ```
 */
export async function initFromCkpt(model: Module): Promise<LoadReport[]> {
  const modules = new Map(model.namedModules());
  const reports: LoadReport[] = [];
  for (const { module, path, ignoreKeys } of unloadedCheckpoints(model).reverse()) {
    const inner = modules.get(module)!;
    const checkpoint = await loadCheckpoint(path);
    try {
      reports.push(loadFrom(inner, checkpoint.tensors, { ignore: ignoreKeys, strict: false }));
      named.delete(inner);
    } finally {
      checkpoint.close();
    }
  }
  return reports;
}

/**
 * Loads weights that may lie below a wrapper's prefix, or be of another project's layout: where and of which is found
 * by the keys. Of several places the one with most of the model's keys is taken, then the outermost.
 *
 * @throws StateDictError where shapes differ, no key fits, or with `strict` keys are missing or unknown
 */
export function loadFrom(
  model: Module,
  source: StateSource,
  { ignore = [], strict = true }: { ignore?: readonly string[]; strict?: boolean } = {},
): LoadReport {
  const own = model.stateDict();
  const kept = [...own.keys()].filter((key) => !ignore.some((start) => key.startsWith(start)));
  const [place] = findPlaces(kept, [...source.keys()], 'any');
  const options = {
    ignore,
    strict,
    prefix: place?.prefix ?? '',
    ...(place?.keyMap && { keyMap: place.keyMap }),
  };
  const { misshapen } = planOf(own, source, options);
  if (misshapen.length > 0) {
    const mismatched = misshapen.map(
      ({ key, found, expected }) => `${key}: shape [${found.join(', ')}], expected [${expected.join(', ')}]`,
    );
    throw new StateDictError(
      model.constructor.name,
      { missing: [], unexpected: [], mismatched },
      'build the model with the configuration of the weights, or leave these out with ignore_keys',
    );
  }
  return loadWeights(model, source, options);
}
