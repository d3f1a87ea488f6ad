/** Where in a file a model's weights lie: below which wrapper's prefix, and in whose layout. */
import type { StateSource } from '../../torch/nn/state-dict.js';
import { placesOf, unwrapping } from '../../torch/nn/wrapped-keys.js';
import type { Place } from '../../torch/nn/wrapped-keys.js';
import { recogniseKeys, withKeys } from './key-maps/index.js';
import type { KeyMap } from './key-maps/index.js';
import { chosen } from './sources.js';

/** Names that trainers give to the model they hold, in the order of preference where a file holds several. */
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

/** A place in a file where weights of a model were found. */
export interface WeightsPlace {
  /** What stands before the keys, `''` where nothing does. */
  readonly prefix: string;
  readonly keyMap: KeyMap | undefined;
  /** How many of the model's keys are there. */
  readonly found: number;
}

/**
 * The prefixes that wrappers give, such as `module.model.`, that keys begin with, `''` first: where a model may lie
 * that is known by its keys alone.
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

/** A place where a model may lie, and how keys are named there. */
export interface WayOfReading {
  prefix: string;
  rename: (key: string) => string;
}

/**
 * The ways in which {@link wrapperPrefixes} and the keys inside are tried: as they stand, then without wrappers; as they
 * stand in spite of the names of wrappers among them, last.
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
 * The tensors below a prefix, without it and without the names of wrappers inside the keys, in the reference's layout.
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

/** Name without prefix and wrappers → key. */
function namesBelow(keys: readonly string[], own: Iterable<string>, prefix: string): Map<string, string> {
  const unwrap = unwrapping(own);
  const names = new Map<string, string>();
  for (const key of keys) {
    if (!key.startsWith(prefix) || key === prefix) continue;
    const raw = key.slice(prefix.length);
    const name = unwrap(raw);
    // Two keys that differ by a wrapper only stay two.
    names.set(names.has(name) ? raw : name, key);
  }
  return names;
}

/**
 * The places where a model's keys are found, the one with most first; of equals the one without a prefix, then by the
 * order of the wrappers.
 *
 * @param keyMap the layout, where it is known; `'any'` tries all
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
    map === undefined ? 1 : 0, // A layout knows what to leave out.
    rank(prefix),
    prefix.length,
  ];
  return places.sort((a, b) => compare(order(a), order(b)));
}

/** In the reference's layout; with wrappers inside the keys left out where more keys are found so. */
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

/** The longest beginning of all of the keys, wrappers included, that comes to the prefix without them. */
function rawPrefix(keys: readonly string[], prefix: string, unwrap: (key: string) => string): string {
  const [first = ''] = keys;
  let longest = prefix;
  for (let at = first.indexOf('.'); at >= 0; at = first.indexOf('.', at + 1)) {
    const start = first.slice(0, at + 1);
    if (unwrap(`${start}x`) === `${prefix}x` && keys.every((key) => key.startsWith(start))) longest = start;
  }
  return longest;
}

/** What a few of the keys' parts make, `''` among them: wrappers are few and outermost. */
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
