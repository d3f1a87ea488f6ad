/**
 * Describes settings once. A schema stands beside the class or section that it is of; from it come the type of a
 * configuration, its defaults, its check, and its names in YAML.
 */

/** One setting of the type `T`. */
export interface Field<
  T = unknown,
  N extends 'required' | 'filled' | 'optional' = 'required' | 'filled' | 'optional',
> {
  /** Whether it must be given, has a default, or may be left out for nothing. */
  readonly need: N;
  /** Completes "must be …". */
  readonly expected: string;
  accepts(value: unknown): value is T;
  /** The value of a setting that is left out. */
  readonly fallback?: T;
  /** The JavaScript type of values that are out of range where they are not accepted, instead of of the wrong kind. */
  readonly ranges?: 'number' | 'string';
  /** A model: in YAML a nested `{ target, params }`, built before the value is handed on, or handed on as a function. */
  readonly model?: 'now' | 'later';
  /** A resumed run may be given another value. */
  readonly changeable?: true;
  /** The flag of the command line that sets it, with its help. */
  readonly flag?: readonly [name: string, help: string];
}

/** A setting that is an object of settings. */
export interface Group<S extends Schema> extends Field<Given<S>, 'required'> {
  readonly fields: S;
}

/** Settings by their names in TypeScript. */
export type Schema = Readonly<Record<string, Field>>;

/** What a caller gives for a schema: keys with a default may be left out. */
export type Given<S extends Schema> = {
  [K in keyof S as S[K]['need'] extends 'required' ? K : never]: S[K] extends Field<infer T> ? T : never;
} & {
  [K in keyof S as S[K]['need'] extends 'filled' ? K : never]?: S[K] extends Field<infer T> ? T : never;
} & {
  [K in keyof S as S[K]['need'] extends 'optional' ? K : never]?: S[K] extends Field<infer T>
    ? T | null
    : never;
};

/** What reading makes of it: defaults are filled in. */
export type Settings<S extends Schema> = {
  [K in keyof S as S[K]['need'] extends 'optional' ? never : K]: S[K] extends Group<infer Inner>
    ? Settings<Inner>
    : S[K] extends Field<infer T>
      ? T
      : never;
} & {
  [K in keyof S as S[K]['need'] extends 'optional' ? K : never]?: S[K] extends Field<infer T> ? T : never;
};

/** Makes a field: required, or with the default it is given. */
interface Kind<T> {
  (): Field<T, 'required'>;
  <D extends T>(fallback: D): Field<T, 'filled'>;
}

/** A kind of value, from the words that complete "must be …" and a test. */
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
export const natural = kind<number>('an integer from 0', isNatural);
export const integer = kind<number>('an integer', Number.isSafeInteger);
export const number = kind<number>('a number', isNumber);
export const positive = kind<number>(
  'a number above 0',
  within((value) => value > 0 && value < Infinity),
);
export const notNegative = kind<number>(
  'a number from 0',
  within((value) => value >= 0 && value < Infinity),
);
export const share = kind<number>(
  'a number from 0 to 1',
  within((value) => value >= 0 && value <= 1),
);
export const probability = kind<number>(
  'a number from 0 to below 1',
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

/** A model, or what stands for one; `later` hands its owner a function, so that initial weights are drawn in order. */
export const model = <T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  when: 'now' | 'later' = 'now',
): Field<T, 'required'> => ({ ...kind<T>(expected, accepts)(), model: when });

/** A setting that may be left out, or be null, which is the same. */
export const optional = <T>(field: Field<T>): Field<T, 'optional'> => ({ ...field, need: 'optional' });

/** A setting of the wider family that may be given only the value that changes nothing here, for a reason. */
export const alone = <const T>(value: T, reason: string): Field<T, 'optional'> =>
  optional(kind<T>(`${JSON.stringify(value)} or left out: ${reason}`, (given) => given === value)());

/** A setting that is found in the model's configuration and has no effect on the model. */
export const kept = <T = unknown>(): Field<T, 'optional'> => optional(kind<T>('anything', () => true)());

/** A setting that a resumed run may be given another value of: it changes nothing that was already computed. */
export const changeable = <F extends Field>(field: F): F => ({ ...field, changeable: true });

/** A setting that a flag of the command line sets, too. */
export const flagged = <F extends Field>(name: string, help: string, field: F): F => ({
  ...field,
  flag: [name, help],
});

/** True for a plain object, of whatever realm, as YAML's maps are. */
export function isTree(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
