/** Reads settings by their schema; every error states the setting's path and has the same wording. */
import { nearest } from './nearest.js';
import { isTree, type Field, type Given, type Schema, type Settings } from './schema.js';

/** Thrown for a mistake in a configuration. */
export class ConfigError extends TypeError {
  /** Path of the setting, such as `model.params.n_embed`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Options for reading settings. */
export interface Reading {
  /** Path of the settings, such as `training`; empty at the top. */
  path: string;
  /** The names are in snake_case. */
  snake?: boolean;
  /** Required settings may be missing. */
  partial?: boolean;
  /** Reads a nested model from its configuration and path, and returns a function that builds it. */
  nested?: (config: unknown, path: string) => () => unknown;
  /** Wrong settings are reported before missing ones, instead of in the order of the schema. */
  wrongFirst?: boolean;
  /** Returns the key that an unknown one may have meant. Default: the nearest. */
  meant?: (unknown: string, known: readonly string[]) => string | undefined;
  /** End of the message about an unknown key. */
  note?: string;
  /** Class whose constructor reads its configuration. */
  owner?: string;
}

/** Converts a name to snake_case: `nEmbed` becomes `n_embed`, `H` stays `H`. */
export const snakeCase = (name: string): string =>
  name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Reads the settings of a file or a caller. `null` counts as missing. Models below them are read, but only
 * {@link withNested} builds them.
 *
 * @throws ConfigError for the first key that is unknown (with the nearest one), missing, or of the wrong kind
 */
export function readTree<S extends Schema>(schema: S, given: unknown, reading: Reading): Settings<S> {
  const { path, snake = false, owner, meant: meantBy = nearest, note = '' } = reading;
  const values = given ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) throw wrongKind('an object', values, reading);
  const at = path === '' ? '' : `${path}.`;
  const fields = new Map(
    Object.entries(schema).map(([key, field]) => [snake ? snakeCase(key) : key, { key, field }]),
  );
  // A constructor may be passed a larger configuration; TypeScript rejects misspelt keys there.
  const unknown = owner === undefined && Object.keys(values).find((name) => !fields.has(name));
  if (typeof unknown === 'string') {
    const meant = meantBy(unknown, [...fields.keys()]);
    const hint = meant === undefined ? 'no keys are allowed there' : `did you mean "${at}${meant}"?`;
    throw new ConfigError(`${at}${unknown}`, `unknown key "${at}${unknown}"; ${hint}${note}`);
  }
  const valueOf = (name: string) => (values as Record<string, unknown>)[name] ?? undefined;
  const read: Record<string, unknown> = {};
  const isMissing = ([name]: [string, unknown]) => Number(valueOf(name) === undefined);
  const order = reading.wrongFirst ? [...fields].sort((a, b) => isMissing(a) - isMissing(b)) : fields;
  // An option that is off is as good as left out.
  const isGiven = (key: string) => (valueOf(snake ? snakeCase(key) : key) ?? false) !== false;
  for (const [name, { key, field }] of order) {
    if (valueOf(name) === undefined && field.unless?.some(isGiven)) continue;
    const value = readField(field, valueOf(name), { ...reading, path: `${at}${name}` });
    if (value !== undefined) read[key] = value;
  }
  return read as Settings<S>;
}

/** Returns settings as {@link readTree} read them, with newly built models, which are built in the order of the schema. */
export function withNested<S extends Schema>(schema: S, settings: Settings<S>): Settings<S> {
  const built: Record<string, unknown> = { ...settings };
  for (const [key, { model }] of Object.entries(schema)) {
    const make = built[key];
    if (model === 'now' && typeof make === 'function') built[key] = (make as () => unknown)();
  }
  return built as Settings<S>;
}

/**
 * Reads the configuration that the constructor of a class is called with.
 *
 * @throws TypeError for a missing setting or one of the wrong kind, RangeError for one out of range
 */
export function readConfig<S extends Schema>(schema: S, given: Given<S>, owner: string): Settings<S> {
  return readTree(schema, given, { path: '', owner });
}

function readField(field: Field & { fields?: Schema }, value: unknown, reading: Reading): unknown {
  const { path, partial = false, nested } = reading;
  const ofModel = field.model !== undefined && nested !== undefined;
  const form = field.list ? 'each as { target, params }' : 'as { target, params }';
  const expected = ofModel ? `${field.expected}, ${form}` : field.expected;
  if (value === undefined) {
    if (field.need !== 'required' || partial) return field.fallback;
    throw new ConfigError(path, `${named(reading)} is missing; it must be ${expected}`);
  }
  if (field.fields) return readTree(field.fields, value, reading);
  const accepted = (built: unknown) => {
    if (field.accepts(built)) return built;
    throw wrongKind(expected, value, reading, field.ranges);
  };
  if (ofModel && field.list && Array.isArray(value)) {
    const makers = value.map((one: unknown, i) => nested(one, `${path}.${i}`));
    return () => accepted(makers.map((make) => make()));
  }
  if (ofModel && isTree(value)) {
    const make = nested(value, path);
    return field.model === 'later' ? make : () => accepted(make());
  }
  return accepted(value);
}

/** Returns the name of a setting for messages. */
const named = ({ owner, path }: Reading): string =>
  [owner, path || (owner ? 'its configuration' : 'the configuration')].filter(Boolean).join(': ');

function wrongKind(expected: string, value: unknown, reading: Reading, ranges?: string): Error {
  const message = `${named(reading)} must be ${expected}, got ${show(value)}`;
  return reading.owner !== undefined && ranges === typeof value
    ? new RangeError(message)
    : new ConfigError(reading.path, message);
}

/** Formats a value for messages: a model as its target, long values shortened. */
export function show(value: unknown): string {
  if (isTree(value) && typeof value['target'] === 'string') return `"${value['target']}"`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isTree(value)) {
    return `a ${value.constructor.name}`;
  }
  const shown = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
}
