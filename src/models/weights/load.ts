/** Loads weights into models that differ from them: other prefixes, other layouts, larger vocabularies. */
import { groupBy } from '../../torch/core/group-by.js';
import { sameShape } from '../../torch/core/layout.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Module } from '../../torch/nn/index.js';
import { StateDictError, type StateSource } from '../../torch/nn/state-dict.js';
import type { KeyMap } from './key-maps/index.js';
import { chosen, infoOf, withOrigins } from './sources.js';
import { findPlaces, weightsBelow, type WeightsPlace } from './wrapped.js';

export interface LoadWeightsOptions {
  /**
   * Prefix, such as `first_stage_model.`, of the keys to load. It is removed before all other processing. If omitted, a
   * wrapper's prefix (`module.`, `_orig_mod.`, `model.`) is detected and removed if necessary, and the report names it.
   */
  prefix?: string;
  /** Skips keys that start with any of these, like the reference's `ignore_keys`; the model keeps its values. */
  ignore?: readonly string[];
  /** Layout of the weights, if it is not the reference's. */
  keyMap?: KeyMap | undefined;
  /**
   * Keys (or a pattern) whose tensors may differ in size from the model's, such as `/tok_emb|head|pos_emb|mask/` for
   * another vocabulary or sequence length. The overlapping part is loaded; the rest of the model's tensor keeps its
   * initial values, so build the model with `init: true`.
   */
  resize?: RegExp | readonly string[] | undefined;
  /** If true, missing, unexpected and misshapen keys throw. Loading nothing always throws. Default true. */
  strict?: boolean;
}

/** A tensor whose shape in the file differs from the model's. */
export interface Difference {
  readonly key: string;
  readonly found: readonly number[];
  readonly expected: readonly number[];
}

const shapes = ({ key, found, expected }: Difference): string =>
  `${key}: [${found.join(', ')}] into [${expected.join(', ')}]`;

/**
 * Report of the keys that were loaded and those that were not; `toString` formats it as lines.
 *
 * @example
 * ```ts
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 });
 * const { tensors } = await loadCheckpoint('vqgan.ckpt');
 * const report: LoadReport = loadWeights(model, tensors, { strict: false });
 * console.log(`${report.loaded.length} loaded, missing: ${report.missing.join(', ')}`);
 * ```
 */
export class LoadReport {
  /** Prefix of the keys in the file, such as `module.`; '' if there was none. */
  declare readonly prefix: string;
  /** Keys that were loaded. */
  declare readonly loaded: readonly string[];
  /** Keys of the model that are missing in the file. */
  declare readonly missing: readonly string[];
  /** Keys of the file that the model does not have. */
  declare readonly unexpected: readonly string[];
  /** Tensors that were not loaded because their shapes differ. */
  declare readonly misshapen: readonly Difference[];
  /** Tensors of which only the overlapping part was loaded. */
  declare readonly resized: readonly Difference[];

  constructor(parts: Omit<LoadReport, 'toString'>) {
    Object.assign(this, parts);
  }

  /** Returns the report as text: counts and the keys that were not loaded. */
  toString(): string {
    return [
      `${this.loaded.length} tensors loaded${this.prefix === '' ? '' : `, from under "${this.prefix}"`}`,
      ...listed('resized, the rest left as initialised', this.resized.map(shapes)),
      ...listed('not loaded, different shape', this.misshapen.map(shapes)),
      ...listed('not loaded, missing in the weights', this.missing),
      ...listed('unused, not in the model', this.unexpected),
    ].join('\n');
  }
}

const LISTED = 20;

/** Returns a line with the count and the keys; keys that differ only in a number are grouped. */
function listed(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const groups = groupBy(keys, (key) => key.replace(/\.\d+(?=\.)/g, '.*'));
  const lines = [...groups].map(([pattern, group]) =>
    group.length === 1 ? `  ${group[0]!}` : `  ${pattern} (${group.length})`,
  );
  const more = lines.length > LISTED ? [`  … and ${lines.length - LISTED} more`] : [];
  return [`${what} (${keys.length}):`, ...lines.slice(0, LISTED), ...more];
}

/**
 * Loads weights into a model with more options than `loadStateDict`: from under a prefix, skipping keys, from another
 * project's layout, or into a different vocabulary size or number of positions. If it throws, the model is unchanged.
 *
 * @param source a Map, or `(await loadCheckpoint(path)).tensors`
 * @throws StateDictError with `strict`, naming mismatched keys and shapes; without it, if nothing can be loaded
 * @throws ArgumentError if the weights are found under several prefixes and `prefix` is not given
 *
 * @example
 * ```ts
 * const model = new GPT({ vocabSize: 1024, blockSize: 256 });
 * const { tensors } = await loadCheckpoint('transformer.ckpt');
 * loadWeights(model, tensors, { prefix: 'transformer.', ignore: ['head.'] });
 * ```
 */
export function loadWeights(
  model: Module,
  source: StateSource,
  options: LoadWeightsOptions = {},
): LoadReport {
  const { strict = true } = options;
  const own = model.stateDict();
  const { prefix, given, origins, resized, misshapen } = planOf(own, source, options);
  const apart = new Set(misshapen.map(({ key }) => key));
  if (own.size > 0 && ![...own.keys()].some((key) => given.has(key) && !apart.has(key))) {
    throw nothingLoaded(model, source, options, misshapen);
  }
  const { missing, unexpected } = model.loadStateDict(withOrigins(given, origins), { strict });
  for (const key of missing) apart.add(key);
  const kept = [...own.keys()].filter((key) => !apart.has(key) && given.has(key));
  return new LoadReport({ prefix, loaded: kept, missing, unexpected, misshapen, resized });
}

/** Plan of the tensors to load and their sources. */
interface Plan {
  prefix: string;
  /** Tensors of the file under the model's names. */
  given: StateSource;
  /** Keys whose values are not taken unchanged from the file. */
  origins: Map<string, () => Tensor>;
  resized: Difference[];
  misshapen: Difference[];
}

/** Matches keys and shapes without reading tensors. */
export function planOf(
  own: ReadonlyMap<string, Tensor>,
  source: StateSource,
  options: LoadWeightsOptions,
): Plan {
  const { ignore = [], keyMap, resize = [], strict = true } = options;
  const mayResize = (key: string): boolean =>
    resize instanceof RegExp ? resize.test(key) : resize.includes(key);
  const place = { prefix: options.prefix ?? prefixOf([...own.keys()], source, keyMap), keyMap };
  const { prefix } = place;
  const ignored = (key: string): boolean => ignore.some((start) => key.startsWith(start));
  const given = weightsOf(source, own.keys(), place, ignored);

  const origins = new Map<string, () => Tensor>();
  const resized: Difference[] = [];
  const misshapen: Difference[] = [];
  for (const [key, target] of own) {
    const info = infoOf(given, key);
    if (info === undefined) {
      // Keys skipped on purpose do not count as missing.
      if (ignored(`${prefix}${key}`) || ignored(key)) origins.set(key, () => target);
      continue;
    }
    if (sameShape(info.shape, target.shape)) continue;
    const record = { key, found: info.shape, expected: target.shape };
    if (mayResize(key) && info.shape.length === target.ndim) {
      resized.push(record);
      origins.set(key, () => patched(target, given.get(key)!));
    } else if (!strict) {
      misshapen.push(record);
      origins.set(key, () => target);
    }
  }
  return { prefix, given, origins, resized, misshapen };
}

/** Returns the wrapper's prefix of the model's keys; '' if they do not have one or are not found. */
function prefixOf(own: readonly string[], source: StateSource, keyMap: KeyMap | undefined): string {
  const [best, ...others] = findPlaces(own, [...source.keys()], keyMap);
  if (best === undefined || best.prefix === '') return '';
  const equal = others.filter(({ found }) => found === best.found);
  if (equal.length > 0) {
    const shown = [best, ...equal].slice(0, 6).map(({ prefix }) => JSON.stringify(prefix));
    throw new torch.ArgumentError(
      `the weights were found under several prefixes, ${shown.join(' and ')}: choose one, such as { prefix: ${shown[0]} }`,
    );
  }
  return best.prefix;
}

function nothingLoaded(
  model: Module,
  source: StateSource,
  { prefix, keyMap }: LoadWeightsOptions,
  misshapen: readonly Difference[],
): Error {
  if (misshapen.length > 0) {
    return new StateDictError(
      model.constructor.name,
      { missing: [], unexpected: [], mismatched: misshapen.map(shapes) },
      'every tensor has a different shape; build the model with the configuration of the weights',
    );
  }
  const [missing, unexpected] = [[...model.stateDict().keys()], [...source.keys()]];
  const [place] = findPlaces(missing, unexpected, keyMap ?? 'any');
  const layout = place?.keyMap === undefined ? '' : ` and the keyMap of ${place.keyMap.name}`;
  const way =
    place === undefined
      ? `no key of the weights${prefix ? ` under ${JSON.stringify(prefix)}` : ''} is a key of the model; ` +
        'check that these are weights of this model'
      : `${place.found} of the model's keys are found with { prefix: ${JSON.stringify(place.prefix)} }${layout}`;
  return new StateDictError(model.constructor.name, { missing, unexpected, mismatched: [] }, way);
}

/** Returns the file's tensors at a place, except those ignored by their key in the file or a later name. */
function weightsOf(
  source: StateSource,
  own: Iterable<string>,
  place: Pick<WeightsPlace, 'prefix' | 'keyMap'>,
  ignored: (key: string) => boolean,
): StateSource {
  const keys = [...source.keys()].filter((key) => !ignored(key) && !ignored(key.slice(place.prefix.length)));
  const given = weightsBelow(chosen(source, new Map(keys.map((key) => [key, key]))), own, place);
  const names = [...given.keys()].filter((name) => !ignored(name));
  return chosen(given, new Map(names.map((name) => [name, name])));
}

/** Returns a copy of the model's tensor with the overlapping part overwritten by the given one. */
function patched(target: Tensor, given: Tensor): Tensor {
  return unrecorded(() => {
    const result = target.detach().clone();
    let [into, from] = [result, given];
    for (const [d, size] of target.shape.entries()) {
      const common = Math.min(size, given.shape[d]!);
      [into, from] = [into.narrow(d, 0, common), from.narrow(d, 0, common)];
    }
    into.copy_(from);
    return result;
  });
}
