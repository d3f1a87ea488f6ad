/** Loading weights into models that differ from them: other prefixes, other layouts, larger vocabularies. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { Module } from '../torch/nn/index.js';
import type { StateSource, TensorInfo } from '../torch/nn/state-dict.js';
import { withKeys } from './key-maps/index.js';
import type { KeyMap } from './key-maps/index.js';

export interface LoadWeightsOptions {
  /** Takes only what lies below it, such as `first_stage_model.`, and removes it. */
  prefix?: string;
  /** Leaves out keys that start with one of these, as the reference's `ignore_keys` do; the model keeps its own. */
  ignore?: readonly string[];
  /** The layout of the weights, where it is not the reference's. */
  keyMap?: KeyMap;
  /**
   * Keys (or patterns) whose tensors may differ in size from the model's, such as `/tok_emb|head|pos_emb|mask/` for
   * another vocabulary or sequence length: the part that both have is taken over, the rest of the model's tensor stays
   * as it was initialised. Build the model with `init: true` then.
   */
  resize?: RegExp | readonly string[];
  /** Whether missing, unexpected and misshapen keys are an error. Default true. */
  strict?: boolean;
}

/** What was loaded and what was not; `toString` tells it in lines. */
export class LoadReport {
  /** Keys that were taken over. */
  readonly loaded: readonly string[];
  /** Keys of the model that the file lacks. */
  readonly missing: readonly string[];
  /** Keys of the file that the model lacks. */
  readonly unexpected: readonly string[];
  /** Left as they were because their shapes differ. */
  readonly misshapen: readonly { key: string; found: readonly number[]; expected: readonly number[] }[];
  /** Taken over in the part that both have. */
  readonly resized: readonly { key: string; found: readonly number[]; expected: readonly number[] }[];

  constructor(parts: Omit<LoadReport, 'toString'>) {
    this.loaded = parts.loaded;
    this.missing = parts.missing;
    this.unexpected = parts.unexpected;
    this.misshapen = parts.misshapen;
    this.resized = parts.resized;
  }

  /** The report as text: counts, and the keys that were not taken over. */
  toString(): string {
    const shapes = ({
      key,
      found,
      expected,
    }: {
      key: string;
      found: readonly number[];
      expected: readonly number[];
    }) => `${key}: [${found.join(', ')}] into [${expected.join(', ')}]`;
    return [
      `${this.loaded.length} tensors loaded`,
      ...listed('resized, the rest as initialised', this.resized.map(shapes)),
      ...listed('left as they were, of another shape', this.misshapen.map(shapes)),
      ...listed('left as they were, missing in the weights', this.missing),
      ...listed('not used, unknown to the model', this.unexpected),
    ].join('\n');
  }
}

const LISTED = 20;

/** A line with the number and the keys, those that differ only in a number told together. */
function listed(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    const pattern = key.replace(/\.\d+(?=\.)/g, '.*');
    const group = groups.get(pattern);
    if (group === undefined) groups.set(pattern, [key]);
    else group.push(key);
  }
  const lines = [...groups].map(([pattern, group]) =>
    group.length === 1 ? `  ${group[0]!}` : `  ${pattern} (${group.length})`,
  );
  const more = lines.length > LISTED ? [`  … and ${lines.length - LISTED} more`] : [];
  return [`${what} (${keys.length}):`, ...lines.slice(0, LISTED), ...more];
}

/**
 * Loads weights into a model, with more freedom than `loadStateDict`: below a prefix, leaving keys out, from another
 * project's layout, into a larger or smaller vocabulary or number of positions. Nothing changes if it throws.
 *
 * @param source a Map, or `(await loadCheckpoint(path)).tensors`
 * @throws StateDictError with `strict`, naming the keys and shapes that do not fit
 */
export function loadWeights(
  model: Module,
  source: StateSource,
  options: LoadWeightsOptions = {},
): LoadReport {
  const { prefix = '', ignore = [], keyMap, resize = [], strict = true } = options;
  const mayResize = (key: string): boolean =>
    resize instanceof RegExp ? resize.test(key) : resize.includes(key);
  const own = model.stateDict();
  const given = filtered(
    keyMap ? withKeys(source, keyMap.toReference([...source.keys()])) : source,
    prefix,
    ignore,
  );
  const ignored = (key: string): boolean => ignore.some((start) => key.startsWith(start));

  const origins = new Map<string, () => Tensor>();
  const resized: LoadReport['resized'][number][] = [];
  const misshapen: LoadReport['misshapen'][number][] = [];
  for (const [key, target] of own) {
    const info = infoOf(given, key);
    if (info === undefined) {
      // What is left out on purpose counts as present.
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
  const { missing, unexpected } = model.loadStateDict(new Patched(given, origins), { strict });
  const apart = new Set([...missing, ...misshapen.map(({ key }) => key)]);
  const kept = [...own.keys()].filter((key) => !apart.has(key) && given.has(key));
  return new LoadReport({ loaded: kept, missing, unexpected, misshapen, resized });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function infoOf(source: StateSource, key: string): TensorInfo | undefined {
  if (!source.has(key)) return undefined;
  return (
    source.info?.(key) ??
    torch.scope(() => {
      const tensor = source.get(key)!;
      return { shape: tensor.shape, dtype: tensor.dtype };
    })
  );
}

/** The model's tensor with the part that the given one covers written over. */
function patched(target: Tensor, given: Tensor): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const result = target.detach().clone();
      let [into, from] = [result, given];
      for (const [d, size] of target.shape.entries()) {
        const common = Math.min(size, given.shape[d]!);
        [into, from] = [into.narrow(d, 0, common), from.narrow(d, 0, common)];
      }
      into.copy_(from);
      return result;
    }),
  );
}

function filtered(source: StateSource, prefix: string, ignore: readonly string[]): StateSource {
  if (prefix === '' && ignore.length === 0) return source;
  const keys = new Map<string, string>();
  for (const key of source.keys()) {
    if (!key.startsWith(prefix) || key === prefix) continue;
    const name = key.slice(prefix.length);
    if (!ignore.some((start) => key.startsWith(start) || name.startsWith(start))) keys.set(name, key);
  }
  const inner = (key: string): string => keys.get(key) ?? key;
  return {
    keys: () => keys.keys(),
    has: (key) => keys.has(key),
    get: (key) => (keys.has(key) ? source.get(inner(key)) : undefined),
    ...(source.info && { info: (key: string) => (keys.has(key) ? source.info!(inner(key)) : undefined) }),
    ...(source.readInto && {
      readInto: (key: string, target: Tensor) => source.readInto!(inner(key), target),
    }),
  };
}

/** A source with some tensors in place of its own. */
class Patched implements StateSource {
  readonly #source: StateSource;
  readonly #origins: ReadonlyMap<string, () => Tensor>;
  readonly readInto?: (key: string, target: Tensor) => void;

  constructor(source: StateSource, origins: ReadonlyMap<string, () => Tensor>) {
    this.#source = source;
    this.#origins = origins;
    if (source.readInto) {
      this.readInto = (key, target) => {
        const origin = origins.get(key);
        if (origin === undefined) source.readInto!(key, target);
        else torch.noGrad(() => target.copy_(origin()));
      };
    }
  }

  keys(): Iterable<string> {
    return new Set([...this.#source.keys(), ...this.#origins.keys()]);
  }

  has(key: string): boolean {
    return this.#origins.has(key) || this.#source.has(key);
  }

  get(key: string): Tensor | undefined {
    return this.#origins.get(key)?.() ?? this.#source.get(key);
  }

  info(key: string): TensorInfo | undefined {
    const origin = this.#origins.get(key);
    if (origin === undefined) return infoOf(this.#source, key);
    return torch.scope(() => {
      const tensor = origin();
      return { shape: tensor.shape, dtype: tensor.dtype };
    });
  }
}
