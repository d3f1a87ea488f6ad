/** Loads weights from a file, removing wrapper prefixes, and from the `ckpt_path` entries of a configuration. */
import { loadCheckpoint } from '../../torch/io/index.js';
import type { Module } from '../../torch/nn/index.js';
import { StateDictError, type StateSource } from '../../torch/nn/state-dict.js';
import { loadWeights, planOf, type LoadReport } from './load.js';
import { latentDiffusion, latentDiffusionAverage } from './key-maps/index.js';
import { findPlaces, type WeightsPlace } from './wrapped.js';

/** A checkpoint named by a configuration that has not been loaded. */
export interface UnloadedCheckpoint {
  /** Name of the module inside the model, such as `first_stage_model`; '' for the model itself. */
  readonly module: string;
  /** Value of `ckpt_path`. */
  readonly path: string;
  /** Prefixes of keys that the reference skips in it. */
  readonly ignoreKeys: readonly string[];
}

const named = new WeakMap<Module, Omit<UnloadedCheckpoint, 'module'>>();

/** Records the `ckpt_path` of the parameters a model was built from. */
export function noteCheckpoint(model: Module, params: Readonly<Record<string, unknown>>): void {
  const path = params['ckpt_path'];
  if (typeof path === 'string') named.set(model, { path, ignoreKeys: ignoreKeysOf(params) });
}

/** Returns the key prefixes listed in `ignore_keys`; a single string counts as a list of one. */
export function ignoreKeysOf(params: Readonly<Record<string, unknown>>): string[] {
  const given = params['ignore_keys'] ?? [];
  const keys = typeof given === 'string' ? [given] : given;
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string')) return keys;
  throw new TypeError(`params.ignore_keys must be a list of key prefixes, got ${JSON.stringify(given)}.`);
}

/**
 * Returns the checkpoints that a model's configuration names under `ckpt_path` and that have not been loaded, since
 * `modelFromConfig` does not read files. Empty after {@link initFromCkpt} has loaded them.
 *
 * @example
 * ```ts
 * const model = modelFromConfig((await readConfig('model.yaml')).model);
 * for (const { module, path } of unloadedCheckpoints(model)) console.log(module, path);
 * ```
 */
export function unloadedCheckpoints(model: Module): UnloadedCheckpoint[] {
  return [...model.namedModules()].flatMap(([module, inner]) => {
    const checkpoint = named.get(inner);
    return checkpoint === undefined ? [] : [{ module, ...checkpoint }];
  });
}

/**
 * Loads the checkpoints that a model's configuration names, as the reference does at construction: inner models first,
 * skipping the keys in `ignore_keys`. Missing or unexpected keys are listed in the reports and do not throw.
 *
 * @throws CheckpointError if a file cannot be read; StateDictError if shapes differ or none of the keys match
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
    using checkpoint = await loadCheckpoint(path);
    reports.push(loadFrom(inner, checkpoint.tensors, { ignore: ignoreKeys, strict: false }));
    named.delete(inner);
  }
  return reports;
}

/** Options of {@link loadFrom}. */
export interface LoadFromOptions {
  /** Prefixes of keys to leave out. */
  ignore?: readonly string[];
  /** Missing and unexpected keys throw. Default true. */
  strict?: boolean;
  /** Place of the weights, as `findWeights` returns it. Default: the one with the most keys of the model. */
  place?: WeightsPlace | undefined;
  /** Keys whose tensors may differ in size; see `loadWeights`. Others of another shape are then left out, too. */
  resize?: RegExp;
}

/** Places of a model's weights in a file: the trained ones, and their moving average if the file has one. */
export interface FoundWeights {
  trained: WeightsPlace | undefined;
  average: WeightsPlace | undefined;
}

/** Finds the weights of a model: in a wrapper, or in another project's layout, and their moving average. */
export function findWeights(
  model: Module,
  source: StateSource,
  ignore: readonly string[] = [],
): FoundWeights {
  const own = [...model.stateDict().keys()].filter((key) => !ignore.some((start) => key.startsWith(start)));
  const keys = [...source.keys()];
  const places = findPlaces(own, keys, 'any');
  const [trained] = places;
  if (trained === undefined) return { trained, average: undefined };
  const { prefix, keyMap } = trained;
  if (keyMap === latentDiffusion) {
    const below = keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
    const origins = [...latentDiffusionAverage.toReference(below).values()];
    const averaged = origins.some((origin) => 'key' in origin && origin.key.startsWith('model_ema.'));
    return { trained, average: averaged ? { ...trained, keyMap: latentDiffusionAverage } : undefined };
  }
  const ofAverage = (place: WeightsPlace) => /(^|\.)(ema|ema_model|model_ema)\.$/.test(place.prefix);
  return { trained, average: places.find((place) => ofAverage(place) && place.found === trained.found) };
}

/**
 * Loads weights that may have a wrapper's prefix or another project's layout; both are detected from the keys. If several
 * places match, the one with the most keys of the model is used, then the outermost.
 *
 * @throws StateDictError if none of the keys match; if shapes differ, unless `resize` is given; or, with `strict`, if
 *   keys are missing or unexpected
 */
export function loadFrom(
  model: Module,
  source: StateSource,
  {
    ignore = [],
    strict = true,
    resize,
    place = findWeights(model, source, ignore).trained,
  }: LoadFromOptions = {},
): LoadReport {
  const own = model.stateDict();
  const options = { ignore, strict, prefix: place?.prefix ?? '', keyMap: place?.keyMap, resize };
  if (resize) return loadWeights(model, source, options);
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
