/**
 * Describes settings once. A schema is declared next to its class or section; the type of the configuration, its
 * defaults, its check and its names in YAML are derived from it.
 */

/** One setting of the type `T`. */
export interface Field<
  T = unknown,
  N extends 'required' | 'filled' | 'optional' = 'required' | 'filled' | 'optional',
> {
  /** The setting is required, has a default (`filled`), or may be left out without one. */
  readonly need: N;
  /** Completes "must be …" in messages. */
  readonly expected: string;
  accepts(value: unknown): value is T;
  /** A required setting may be left out if one of these is given. */
  readonly unless?: readonly string[];
  /** Value of the setting if it is left out. */
  readonly fallback?: T;
  /** JavaScript type of the values that count as out of range, not as of the wrong kind, if they are not accepted. */
  readonly ranges?: 'number' | 'string';
  /** A model, in YAML a nested `{ target, params }`: built at once, or passed on as a function that builds it. */
  readonly model?: 'now' | 'later';
  /** A list of such models, built in its order. */
  readonly list?: true;
  /** A resumed run may change the value. */
  readonly changeable?: true;
  /** Command-line flag that sets it, and its help text. */
  readonly flag?: readonly [name: string, help: string];
}

/** A setting that is an object of settings. */
export interface Group<S extends Schema> extends Field<Given<S>, 'required'> {
  readonly fields: S;
}

/** Settings by their names in TypeScript. */
export type Schema = Readonly<Record<string, Field>>;

/** Configuration that a caller passes for a schema: keys with a default may be left out. */
export type Given<S extends Schema> = {
  [K in keyof S as S[K]['need'] extends 'required' ? K : never]: S[K] extends Field<infer T> ? T : never;
} & {
  [K in keyof S as S[K]['need'] extends 'filled' ? K : never]?: S[K] extends Field<infer T> ? T : never;
} & {
  [K in keyof S as S[K]['need'] extends 'optional' ? K : never]?: S[K] extends Field<infer T>
    ? T | null
    : never;
};

/** Settings as they are read, with defaults filled in. */
export type Settings<S extends Schema> = {
  [K in keyof S as S[K]['need'] extends 'optional' ? never : K]: S[K] extends Group<infer Inner>
    ? Settings<Inner>
    : S[K] extends Field<infer T>
      ? T
      : never;
} & {
  [K in keyof S as S[K]['need'] extends 'optional' ? K : never]?: S[K] extends Field<infer T> ? T : never;
};

/** Creates a field: required, or with the given default. */
export interface Kind<T> {
  (): Field<T, 'required'>;
  <D extends T>(fallback: D): Field<T, 'filled'>;
}

/** Defines a kind of value, from the words that complete "must be …" and a predicate. */
export function kind<T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  ranges?: 'number' | 'string',
): Kind<T> {
  const basis = { expected, accepts, ...(ranges && { ranges }) };
  return ((fallback?: T) =>
    fallback === undefined
      ? { ...basis, need: 'required' }
      : { ...basis, need: 'filled', fallback }) as Kind<T>;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && !Number.isNaN(value);
const isNatural = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isCount = (value: unknown): boolean => isNatural(value) && value !== 0;
const within = (accepts: (value: number) => boolean) => (value: unknown) => isNumber(value) && accepts(value);

export const count = kind<number>('a positive integer', isCount);
export const natural = kind<number>('a non-negative integer', isNatural);
export const integer = kind<number>('an integer', Number.isSafeInteger);
export const number = kind<number>('a number', isNumber);
export const positive = kind<number>(
  'a number above 0',
  within((value) => value > 0 && value < Infinity),
);
export const notNegative = kind<number>(
  'a non-negative number',
  within((value) => value >= 0 && value < Infinity),
);
export const share = kind<number>(
  'a number from 0 to 1',
  within((value) => value >= 0 && value <= 1),
);
export const probability = kind<number>(
  'a number in [0, 1)',
  within((value) => value >= 0 && value < 1),
  'number',
);
export const flag = kind<boolean>('true or false', (value) => typeof value === 'boolean');
export const text = kind<string>('a string', (value) => typeof value === 'string');
export const counts = kind<readonly number[]>(
  'a list of positive integers',
  (value) => Array.isArray(value) && value.every(isCount),
);
export const oneOf = <const W extends readonly unknown[]>(...words: W): Kind<W[number]> =>
  kind(
    `${words.length > 1 ? 'one of ' : ''}${words.map((word) => JSON.stringify(word)).join(', ')}`,
    (value) => words.includes(value),
    'string',
  );
export const object = <S extends Schema>(fields: S): Group<S> => ({
  ...kind<Given<S>>('an object', isTree)(),
  fields,
});

/** Defines a nested model; `later` passes its owner a function that builds it, so that weights are drawn in order. */
export const model = <T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  when: 'now' | 'later' = 'now',
): Field<T, 'required'> => ({ ...kind<T>(expected, accepts)(), model: when });

/** Defines a list of nested models. */
export const models = <T>(
  expected: string,
  accepts: (value: unknown) => boolean,
): Field<readonly T[], 'required'> => ({
  ...kind<readonly T[]>(
    expected,
    (value) => Array.isArray(value) && value.length > 0 && value.every(accepts),
  )(),
  model: 'now',
  list: true,
});

/** Makes a setting optional: it may be left out or be null. */
export const optional = <T>(field: Field<T>): Field<T, 'optional'> => ({ ...field, need: 'optional' });

/** Lets a required setting be left out if one of the others, by their names in TypeScript, is given and not false. */
export const requiredUnless = <T>(others: readonly string[], field: Field<T, 'required'>) =>
  ({ ...field, unless: others }) as Field<T | undefined, 'required'>;

/** Defines a setting of related classes that accepts only some values here, which mean the same; `reason` says why. */
export const only = <const T>(values: readonly T[], reason: string): Field<T, 'optional'> => {
  const words = values.map((value) => JSON.stringify(value)).join(', ');
  return optional(kind<T>(`${words} or left out: ${reason}`, (given) => values.includes(given as T))());
};

/** Defines a setting of related classes that accepts only one value here; `reason` says why. */
export const alone = <const T>(value: T, reason: string): Field<T, 'optional'> => only([value], reason);

/** Defines a setting that published configurations contain and that has no effect on the model. */
export const kept = <T = unknown>(): Field<T, 'optional'> => optional(kind<T>('anything', () => true)());

/** Lets a resumed run change a setting: it changes nothing that was already computed. */
export const changeable = <F extends Field>(field: F): F => ({ ...field, changeable: true });

/** Adds a command-line flag that sets the setting. */
export const flagged = <F extends Field>(name: string, help: string, field: F): F => ({
  ...field,
  flag: [name, help],
});

/** True for a plain object of any realm, such as a map from YAML. */
export function isTree(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
