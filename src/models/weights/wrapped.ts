/** Locates a model's weights in a file: the wrapper's prefix and the layout. */
import type { StateSource } from '../../torch/nn/state-dict.js';
import { placesOf, unwrapping, type Place } from '../../torch/nn/wrapped-keys.js';
import { recogniseKeys, withKeys, type KeyMap } from './key-maps/index.js';
import { chosen } from './sources.js';

/** Names that trainers give to the wrapped model, in order of preference if a file has several. */
const wrappers = [
  'module',
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_fpw_module',
  'state_dict',
  'model',
  'net',
  'network',
  'vqgan',
  'vqmodel',
  'vq_model',
  'vqvae',
  'vae',
  'autoencoder',
  'tokenizer',
  'generator',
  'first_stage_model',
  'ema_model',
  'ema',
  'model_ema',
  'online_model',
];

/** A place in a file that holds weights of a model. */
export interface WeightsPlace {
  /** Prefix of the keys; `''` if there is none. */
  readonly prefix: string;
  readonly keyMap: KeyMap | undefined;
  /** Number of the model's keys found there. */
  readonly found: number;
}

/**
 * Returns the wrapper prefixes of the keys, such as `module.model.`, with `''` first. These are the candidate places
 * of a model that is recognised by its keys only.
 */
function wrapperPrefixes(keys: Iterable<string>): string[] {
  const found = new Set(['']);
  for (const key of keys) {
    const parts = key.split('.');
    for (let n = 1; n < parts.length && wrappers.includes(parts[n - 1]!); n++) {
      found.add(`${parts.slice(0, n).join('.')}.`);
    }
  }
  return [...found].sort((a, b) => rank(a) - rank(b));
}

/** A candidate prefix and the renaming of the keys under it. */
export interface WayOfReading {
  prefix: string;
  rename: (key: string) => string;
}

/**
 * Returns the readings to try, in order: prefixes under which keys are free of wrapper names, with keys unchanged; all
 * prefixes, with wrapper names removed from the keys; the remaining prefixes, with keys unchanged.
 */
export function waysOfReading(keys: readonly string[]): WayOfReading[] {
  const unwrap = unwrapping([]);
  const raw = (key: string): string => key;
  const isPlain = (prefix: string): boolean =>
    keys.every(
      (key) => !key.startsWith(prefix) || unwrap(key.slice(prefix.length)) === key.slice(prefix.length),
    );
  const prefixes = wrapperPrefixes(keys);
  const plain = prefixes.filter(isPlain);
  const ways = (of: readonly string[], rename: WayOfReading['rename']) =>
    of.map((prefix): WayOfReading => ({ prefix, rename }));
  const others = prefixes.filter((prefix) => !plain.includes(prefix));
  return [...ways(plain, raw), ...ways(prefixes, unwrap), ...ways(others, raw)];
}

function rank(prefix: string): number {
  const parts = prefix.split('.').slice(0, -1);
  const place = (part: string) => (wrappers.includes(part) ? wrappers.indexOf(part) : wrappers.length) + 1;
  return parts.reduce((sum, part) => sum * (wrappers.length + 2) + place(part), 0);
}

/**
 * Returns the tensors under a prefix in the reference's layout. The prefix and wrapper names inside the keys are removed.
 *
 * @param own the model's keys
 */
export function weightsBelow(
  source: StateSource,
  own: Iterable<string>,
  { prefix, keyMap }: Pick<WeightsPlace, 'prefix' | 'keyMap'>,
): StateSource {
  const names = namesBelow([...source.keys()], own, prefix);
  const inner = chosen(source, names);
  return keyMap ? withKeys(inner, keyMap.toReference([...names.keys()])) : inner;
}

/** Returns a map from names without prefix and wrappers to keys. */
function namesBelow(keys: readonly string[], own: Iterable<string>, prefix: string): Map<string, string> {
  const unwrap = unwrapping(own);
  const names = new Map<string, string>();
  for (const key of keys) {
    if (!key.startsWith(prefix) || key === prefix) continue;
    const raw = key.slice(prefix.length);
    const name = unwrap(raw);
    // Two keys that differ only by a wrapper stay separate.
    names.set(names.has(name) ? raw : name, key);
  }
  return names;
}

/**
 * Returns the places that hold keys of a model, the one with the most keys first. On ties, the place without a prefix
 * comes first, then the order of the wrappers decides.
 *
 * @param keyMap the layout, if known; `'any'` tries all
 */
export function findPlaces(
  own: readonly string[],
  keys: readonly string[],
  keyMap: KeyMap | 'any' | undefined,
): WeightsPlace[] {
  const known = new Set(own);
  const places: WeightsPlace[] = [];
  if (keyMap === undefined || keyMap === 'any') {
    for (const { prefix, found } of plainPlaces(known, keys))
      places.push({ prefix, keyMap: undefined, found });
  }
  if (keyMap !== undefined) {
    for (const prefix of prefixesIn(keys)) {
      const names = [...namesBelow(keys, own, prefix).keys()];
      const map = keyMap === 'any' ? recogniseKeys(names) : keyMap;
      if (map === undefined) continue;
      const found = [...map.toReference(names).keys()].filter((name) => known.has(name)).length;
      if (found > 0) places.push({ prefix, keyMap: map, found });
    }
  }
  const order = ({ prefix, keyMap: map, found }: WeightsPlace) => [
    -found,
    map === undefined ? 1 : 0, // Prefer a key map, because it knows which keys to skip.
    rank(prefix),
    prefix.length,
  ];
  return places.sort((a, b) => compare(order(a), order(b)));
}

/** Returns places in the reference's layout, with wrappers inside keys removed if this matches more keys. */
function plainPlaces(own: ReadonlySet<string>, keys: readonly string[]): Place[] {
  const unwrap = unwrapping(own);
  const raw = placesOf(own, keys);
  const places = placesOf(own, keys.map(unwrap));
  if ((places[0]?.found ?? 0) <= (raw[0]?.found ?? 0)) return raw;
  return places.map(({ prefix, found }) => {
    const there = keys.filter((key) => {
      const name = unwrap(key);
      return name.startsWith(prefix) && own.has(name.slice(prefix.length));
    });
    return { prefix: rawPrefix(there, prefix, unwrap), found };
  });
}

/** Returns the longest common prefix of the keys, including wrappers, that equals `prefix` once they are removed. */
function rawPrefix(keys: readonly string[], prefix: string, unwrap: (key: string) => string): string {
  const [first = ''] = keys;
  let longest = prefix;
  for (let at = first.indexOf('.'); at >= 0; at = first.indexOf('.', at + 1)) {
    const start = first.slice(0, at + 1);
    if (unwrap(`${start}x`) === `${prefix}x` && keys.every((key) => key.startsWith(start))) longest = start;
  }
  return longest;
}

/** Returns the prefixes formed by up to four leading parts of the keys, and `''`: wrappers are few and outermost. */
function prefixesIn(keys: readonly string[]): string[] {
  const found = new Set(['']);
  for (const key of keys) {
    const parts = key.split('.');
    for (let n = 1; n < Math.min(parts.length, 5); n++) found.add(`${parts.slice(0, n).join('.')}.`);
  }
  return [...found].filter((prefix) => prefix === '' || !/\.\d+\./.test(prefix));
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    if (value !== b[i]) return value - b[i]!;
  }
  return 0;
}
