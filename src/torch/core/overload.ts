import { describe } from './describe.js';
import { isDType } from './dtype.js';
import { Generator } from './random.js';
import { ComplexScalar, FloatScalar } from './scalar.js';
import { camelCase, type Schema, type SchemaArgument } from './schema.js';
import { OwnTensor, Tensor } from './tensor.js';

// Kinds of JavaScript values, as far as they decide between overloads. Zero: the kind alone does not decide.
const UNDECIDED = 0;
const IS_TENSOR = 1;
const IS_INTEGER = 2;
const IS_FRACTION = 3;
const IS_BOOLEAN = 4;
const IS_NULL = 5;
const IS_INTEGERS = 6;
const IS_FRACTIONS = 7;
const IS_TENSORS = 8;
const IS_BOOLEANS = 9;
const IS_EMPTY = 10;
const IS_BIGINT = 11;
const IS_FLOAT_SCALAR = 12;
const IS_COMPLEX_SCALAR = 13;
const IS_GENERATOR = 14;
const IS_ABSENT = 15;
/** The number of kinds: the base of signatures. */
export const KINDS = 16;

/** Returns the kind of a value, a number below {@link KINDS}. */
export function kindOf(value: unknown): number {
  switch (typeof value) {
    case 'number':
      return Number.isInteger(value) ? IS_INTEGER : IS_FRACTION;
    case 'boolean':
      return IS_BOOLEAN;
    case 'bigint':
      return IS_BIGINT;
    case 'undefined':
      return IS_ABSENT;
    case 'object':
      if (value === null) return IS_NULL;
      if (value instanceof OwnTensor) return IS_TENSOR;
      if (Array.isArray(value)) return kindOfArray(value);
      // Usually an options object.
      if (isPlain(value)) return UNDECIDED;
      if (value instanceof FloatScalar) return IS_FLOAT_SCALAR;
      if (value instanceof ComplexScalar) return IS_COMPLEX_SCALAR;
      if (value instanceof Generator) return IS_GENERATOR;
      if (value instanceof Tensor) return IS_TENSOR;
      return UNDECIDED;
    default:
      return UNDECIDED;
  }
}

/** True if an object is a plain object, not an instance of a class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function kindOfArray(values: readonly unknown[]): number {
  if (values.length === 0) return IS_EMPTY;
  let kind = IS_ABSENT;
  for (const value of values) {
    // No operator takes nested lists, and a list may contain itself.
    const one = Array.isArray(value) ? UNDECIDED : kindOf(value);
    if (one === IS_INTEGER || one === IS_BIGINT) kind = kind === IS_FRACTIONS ? kind : IS_INTEGERS;
    else if (one === IS_FRACTION || one === IS_FLOAT_SCALAR) kind = IS_FRACTIONS;
    else if (one === IS_TENSOR || one === IS_NULL) kind = IS_TENSORS;
    else if (one === IS_BOOLEAN) kind = IS_BOOLEANS;
    else return UNDECIDED;
  }
  return kind;
}

const NUMBERS = [IS_INTEGER, IS_FRACTION, IS_BOOLEAN, IS_BIGINT, IS_FLOAT_SCALAR, IS_COMPLEX_SCALAR];

/** The kinds that fit an argument of each type. */
const elementKinds: Readonly<Record<string, readonly number[]>> = {
  Tensor: [IS_TENSOR],
  int: [IS_INTEGER, IS_BIGINT],
  float: [IS_INTEGER, IS_FRACTION, IS_BIGINT, IS_FLOAT_SCALAR],
  bool: [IS_BOOLEAN],
  Scalar: NUMBERS,
  complex: NUMBERS,
  Generator: [IS_GENERATOR],
};

/** The kinds that fit a list of each type. */
const listKinds: Readonly<Record<string, readonly number[]>> = {
  Tensor: [IS_TENSORS],
  int: [IS_INTEGERS],
  bool: [IS_BOOLEANS],
  float: [IS_INTEGERS, IS_FRACTIONS],
  Scalar: [IS_INTEGERS, IS_FRACTIONS],
};

/** True if a value of this kind fits an argument; the value itself decides if the kind does not. */
function fits(kind: number, value: unknown, argument: SchemaArgument): boolean {
  if (kind === IS_ABSENT) return argument.default !== null || argument.optional;
  if (kind === IS_NULL) return argument.optional;
  if (typeof value === 'string') return fitsText(value, argument);
  if (argument.list) {
    if (kind === IS_EMPTY) return true;
    if (argument.size !== null && (kind === IS_INTEGER || kind === IS_BIGINT))
      return argument.base !== 'Tensor';
    if (argument.base === 'str') return Array.isArray(value) && value.every((one) => typeof one === 'string');
    return listKinds[argument.base]?.includes(kind) ?? false;
  }
  return elementKinds[argument.base]?.includes(kind) ?? false;
}

function fitsText(value: string, argument: SchemaArgument): boolean {
  if (argument.list) return false;
  if (argument.base === 'ScalarType') return isDType(value);
  return ['str', 'Device', 'Layout', 'MemoryFormat'].includes(argument.base);
}

/**
 * Returns the arguments' kinds as the digits of a number, after a leading one; 0 if the kinds do not decide or do not
 * fit.
 */
export function signatureOf(args: readonly unknown[]): number {
  if (args.length > 7) return 0;
  let signature = 1;
  for (const value of args) {
    const kind = kindOf(value);
    if (kind === UNDECIDED) return 0;
    signature = signature * KINDS + kind;
  }
  return signature;
}

/** Returns the last argument if it is an options object. */
export function trailingOptions(args: readonly unknown[]): Record<string, unknown> | null {
  const last = args.at(-1);
  if (typeof last !== 'object' || last === null) return null;
  return isPlain(last) ? (last as Record<string, unknown>) : null;
}

/** Returns the arguments in schema order, or the reason why they do not fit. */
export function place(
  schema: Schema,
  positional: readonly unknown[],
  options: Record<string, unknown> | null,
): unknown[] | string {
  const expected = schema.arguments;
  if (positional.length > expected.length) return `${expected.length} arguments at most`;
  const placed: unknown[] = [...positional];
  for (let i = 0; i < positional.length; i++) {
    const argument = expected[i]!;
    if (argument.keywordOnly && positional[i] !== undefined)
      return `'${argument.name}' must be given in the options`;
    if (!fits(kindOf(positional[i]), positional[i], argument)) return wrong(argument, positional[i]);
  }
  let named = 0;
  for (let i = positional.length; i < expected.length; i++) {
    const argument = expected[i]!;
    const value = options?.[camelCase(argument.name)];
    if (value !== undefined) named++;
    if (!fits(kindOf(value), value, argument)) return wrong(argument, value);
    placed.push(value);
  }
  const given = options ? Object.keys(options).filter((key) => options[key] !== undefined) : [];
  if (named < given.length) {
    const names = expected.slice(positional.length).map(({ name }) => camelCase(name));
    const unknown = given.find((key) => !names.includes(key));
    return `no option '${unknown}'`;
  }
  return placed;
}

function wrong(argument: SchemaArgument, value: unknown): string {
  const name = camelCase(argument.name);
  return value === undefined ? `'${name}' is missing` : `'${name}' cannot be ${describe(value)}`;
}
