/** Reads settings by their schema: one wording for every mistake, and the place of it in the error. */
import { nearest } from './nearest.js';
import { isTree, type Field, type Given, type Schema, type Settings } from './schema.js';

/** A mistake in a configuration. */
export class ConfigError extends TypeError {
  /** Where the mistake is, such as `model.params.n_embed`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** How settings are read. */
export interface Reading {
  /** Where they stand, such as `training`; empty at the top. */
  path: string;
  /** Names are written in snake_case. */
  snake?: boolean;
  /** What is missing comes from elsewhere. */
  partial?: boolean;
  /** Builds a nested model; the path is where it stands. */
  build?: (config: unknown, path: string) => unknown;
  /** Checks a nested model instead, which is not built. */
  check?: (config: unknown, path: string) => void;
  /** What the message about an unknown key ends with. */
  note?: string;
  /** The class whose constructor reads. */
  owner?: string;
}

/** The name in snake_case: `nEmbed` is `n_embed`, `H` is `H`. */
const snakeCase = (name: string): string =>
  name.replace(/(?<!^)[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Reads what a file or a caller gives. `null` counts as not given.
 *
 * @throws ConfigError for the first key that is unknown (with the nearest one), missing, or of the wrong kind
 */
export function readTree<S extends Schema>(schema: S, given: unknown, reading: Reading): Settings<S> {
  const { path, snake = false, owner, note = '' } = reading;
  const values = given ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) throw wrongKind('an object', values, reading);
  const at = path === '' ? '' : `${path}.`;
  const fields = new Map(
    Object.entries(schema).map(([key, field]) => [snake ? snakeCase(key) : key, { key, field }]),
  );
  // A constructor may be given a larger configuration; TypeScript refuses misspelt keys there.
  const unknown = owner === undefined && Object.keys(values).find((name) => !fields.has(name));
  if (typeof unknown === 'string') {
    const meant = nearest(unknown, fields.keys());
    const hint = meant === undefined ? 'it takes none there' : `did you mean "${at}${meant}"?`;
    throw new ConfigError(`${at}${unknown}`, `unknown key "${at}${unknown}"; ${hint}${note}`);
  }
  const valueOf = (name: string) => (values as Record<string, unknown>)[name] ?? undefined;
  const read: Record<string, unknown> = {};
  // A check says what is wrong before what is missing; what is built is built in the order of the schema.
  const isMissing = ([name]: [string, unknown]) => Number(valueOf(name) === undefined);
  const order = reading.check ? [...fields].sort((a, b) => isMissing(a) - isMissing(b)) : fields;
  for (const [name, { key, field }] of order) {
    const value = readField(field, valueOf(name), { ...reading, path: `${at}${name}` });
    if (value !== undefined) read[key] = value;
  }
  return read as Settings<S>;
}

/**
 * Reads what the constructor of a class is given.
 *
 * @throws TypeError for what is missing or of the wrong kind, RangeError for what is out of range
 */
export function readConfig<S extends Schema>(schema: S, given: Given<S>, owner: string): Settings<S> {
  return readTree(schema, given, { path: '', owner });
}

function readField(field: Field & { fields?: Schema }, value: unknown, reading: Reading): unknown {
  const { path, partial = false, build, check } = reading;
  const nested = field.model !== undefined && (build ?? check) !== undefined;
  const expected = nested ? `${field.expected}, as { target, params }` : field.expected;
  if (value === undefined) {
    if (field.need !== 'required' || partial) return field.fallback;
    throw new ConfigError(path, `${named(reading)} is missing; it must be ${expected}`);
  }
  if (field.fields) return readTree(field.fields, value, reading);
  if (nested && isTree(value)) {
    if (!build) return check?.(value, path);
    if (field.model === 'later') return () => build(value, path);
    const built = build(value, path);
    if (field.accepts(built)) return built;
  } else if (field.accepts(value)) return value;
  throw wrongKind(expected, value, reading, field.ranges);
}

/** The place of a setting, as messages have it. */
const named = ({ owner, path }: Reading): string =>
  [owner, path || (owner ? 'its configuration' : 'the configuration')].filter(Boolean).join(': ');

function wrongKind(expected: string, value: unknown, reading: Reading, ranges?: string): Error {
  const message = `${named(reading)} must be ${expected}, got ${show(value)}`;
  return reading.owner !== undefined && ranges === typeof value
    ? new RangeError(message)
    : new ConfigError(reading.path, message);
}

/** A value as messages have it: a model by its target, and not too long. */
export function show(value: unknown): string {
  if (isTree(value) && typeof value['target'] === 'string') return `"${value['target']}"`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isTree(value)) {
    return `a ${value.constructor.name}`;
  }
  const shown = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
}
