import { ArgumentError, NotImplementedError, translate } from './errors.js';
import { isDType } from './dtype.js';
import { native } from './native/load.js';
import * as w from './native/wire.js';
import { growWire, integerAt, setIntegerAt, wire } from './native/wire.js';
import { Generator } from './random.js';
import { ComplexScalar, FloatScalar } from './scalar.js';
import { camelCase, parseSchema, type Schema, type SchemaArgument } from './schema.js';
import { born, Tensor } from './tensor.js';

/** An overload that has been looked up: what its calls need. */
interface Plan {
  id: number;
  schema: Schema;
  /** The operator's full name, such as `aten::add.Tensor`. */
  name: string;
  /** For each result: the argument it is (an operator in place, or an `out`), or -1 for a new value. */
  sameAs: number[];
  /** There is one result, and it is new. */
  single: boolean;
}

// Kinds of JavaScript values, as far as they decide between overloads. Zero: not decided by kind alone.
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
const KINDS = 16;

function kindOf(value: unknown): number {
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
      if (value instanceof Tensor) return IS_TENSOR;
      if (Array.isArray(value)) return kindOfArray(value);
      if (value instanceof FloatScalar) return IS_FLOAT_SCALAR;
      if (value instanceof ComplexScalar) return IS_COMPLEX_SCALAR;
      if (value instanceof Generator) return IS_GENERATOR;
      return UNDECIDED;
    default:
      return UNDECIDED;
  }
}

function kindOfArray(values: readonly unknown[]): number {
  if (values.length === 0) return IS_EMPTY;
  let kind = IS_ABSENT;
  for (const value of values) {
    const one = kindOf(value);
    if (one === IS_INTEGER || one === IS_BIGINT) kind = kind === IS_FRACTIONS ? kind : IS_INTEGERS;
    else if (one === IS_FRACTION || one === IS_FLOAT_SCALAR) kind = IS_FRACTIONS;
    else if (one === IS_TENSOR || one === IS_NULL) kind = IS_TENSORS;
    else if (one === IS_BOOLEAN) kind = IS_BOOLEANS;
    else return UNDECIDED;
  }
  return kind;
}

/** Whether a value of this kind (the value itself where the kind does not tell) fits an argument. */
function fits(kind: number, value: unknown, argument: SchemaArgument): boolean {
  if (kind === IS_ABSENT) return argument.default !== null || argument.optional;
  if (kind === IS_NULL) return argument.optional;
  if (typeof value === 'string') return fitsText(value, argument);
  if (argument.list) {
    if (kind === IS_EMPTY) return true;
    if (argument.size !== null && (kind === IS_INTEGER || kind === IS_BIGINT))
      return argument.base !== 'Tensor';
    switch (argument.base) {
      case 'Tensor':
        return kind === IS_TENSORS;
      case 'int':
        return kind === IS_INTEGERS;
      case 'bool':
        return kind === IS_BOOLEANS;
      case 'float':
      case 'Scalar':
        return kind === IS_INTEGERS || kind === IS_FRACTIONS;
      case 'str':
        return Array.isArray(value) && value.every((one) => typeof one === 'string');
      default:
        return false;
    }
  }
  switch (argument.base) {
    case 'Tensor':
      return kind === IS_TENSOR;
    case 'int':
      return kind === IS_INTEGER || kind === IS_BIGINT;
    case 'float':
      return kind === IS_INTEGER || kind === IS_FRACTION || kind === IS_BIGINT || kind === IS_FLOAT_SCALAR;
    case 'bool':
      return kind === IS_BOOLEAN;
    case 'Scalar':
    case 'complex':
      return (
        kind === IS_INTEGER ||
        kind === IS_FRACTION ||
        kind === IS_BOOLEAN ||
        kind === IS_BIGINT ||
        kind === IS_FLOAT_SCALAR ||
        kind === IS_COMPLEX_SCALAR
      );
    case 'Generator':
      return kind === IS_GENERATOR;
    default:
      return false;
  }
}

function fitsText(value: string, argument: SchemaArgument): boolean {
  if (argument.list) return false;
  if (argument.base === 'ScalarType') return isDType(value);
  return ['str', 'Device', 'Layout', 'MemoryFormat'].includes(argument.base);
}

/** Looks an overload up. `name` has its namespace; the overload's name is empty for an operator's first. */
export function plan(name: string, overload: string): Plan {
  let resolved;
  try {
    resolved = native.resolve(name, overload);
  } catch (error) {
    throw translate(error);
  }
  const schema = parseSchema(resolved.schema);
  const sameAs = schema.returns.map(({ written }) =>
    written === null ? -1 : schema.arguments.findIndex((argument) => argument.written === written),
  );
  return {
    id: resolved.id,
    schema,
    name: overload ? `${name}.${overload}` : name,
    sameAs,
    single: sameAs.length === 1 && sameAs[0] === -1,
  };
}

// Position behind the last element written to the wire.
let at = 0;

function room(length: number): void {
  if (at + length > wire.length) growWire(at + length);
}

/** Writes a value as its JavaScript type says; the addon checks it against the schema. */
function put(value: unknown): void {
  if (value instanceof Tensor) {
    wire[at++] = w.TENSOR;
    wire[at++] = value.handle;
  } else if (typeof value === 'number') {
    wire[at++] = w.NUMBER;
    wire[at++] = value;
  } else {
    putOther(value);
  }
}

function putOther(value: unknown): void {
  if (value === undefined) {
    wire[at++] = w.ABSENT;
  } else if (value === null) {
    wire[at++] = w.NONE;
  } else if (typeof value === 'boolean') {
    wire[at++] = w.BOOL;
    wire[at++] = value ? 1 : 0;
  } else if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) !== value) throw new ArgumentError(`${value} does not fit into 64 bits`);
    wire[at++] = w.INTEGER;
    setIntegerAt(at++, value);
  } else if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    room(bytes.length + 16);
    wire[at++] = w.STRING;
    wire[at++] = bytes.length;
    for (const byte of bytes) wire[at++] = byte;
  } else if (value instanceof FloatScalar) {
    wire[at++] = w.FLOAT;
    wire[at++] = value.value;
  } else if (value instanceof ComplexScalar) {
    wire[at++] = w.COMPLEX;
    wire[at++] = value.re;
    wire[at++] = value.im;
  } else if (value instanceof Generator) {
    wire[at++] = w.GENERATOR;
    wire[at++] = value.index;
  } else if (isList(value)) {
    room(4 * value.length + 16);
    wire[at++] = w.LIST;
    wire[at++] = value.length;
    for (let i = 0; i < value.length; i++) {
      room(16);
      put(value[i]);
    }
  } else {
    throw new ArgumentError(`an operator takes no ${describe(value)}`);
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Reads the value at `at` off the wire. */
function take(): unknown {
  switch (wire[at++]) {
    case w.TENSOR:
      return born(wire[at++]!);
    case w.NUMBER:
    case w.FLOAT:
      return wire[at++];
    case w.BOOL:
      return wire[at++] !== 0;
    case w.INTEGER:
      return exactInteger(integerAt(at++));
    case w.COMPLEX:
      at += 2;
      return new ComplexScalar(wire[at - 2]!, wire[at - 1]!);
    case w.STRING: {
      const length = wire[at++]!;
      at += length;
      return Buffer.from(wire.subarray(at - length, at)).toString();
    }
    case w.LIST: {
      const list: unknown[] = Array.from({ length: wire[at++]! });
      for (let i = 0; i < list.length; i++) list[i] = take();
      return list;
    }
    default:
      return null;
  }
}

function exactInteger(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new ArgumentError(
    `${value} is beyond 2^53 and has no exact JavaScript number; read it with toTypedArray()`,
  );
}

/** Runs the call on the wire. */
function run(plan: Plan, a: unknown, b?: unknown, args?: ArrayLike<unknown>): void {
  try {
    const needed = native.call();
    if (needed !== undefined) {
      growWire(needed);
      native.results();
    }
  } catch (error) {
    throw translate(error, plan.name, () => describeAll(args ?? [a, b]));
  }
}

/** The results on the wire; what was changed in place is the argument itself. */
function results(plan: Plan, args: ArrayLike<unknown>): unknown {
  at = 0;
  const values = plan.sameAs.map((index) => (index >= 0 ? args[index] : take()));
  return values.length > 1 ? values : values[0];
}

/** An operator with its overloads, chosen by the types of the arguments. */
export class Operator {
  readonly name: string;
  readonly #overloadNames: readonly string[];
  #overloads: Plan[] | null = null;
  readonly #one: (Plan | undefined)[] = [];
  readonly #two: (Plan | undefined)[] = [];
  readonly #more = new Map<number, Plan>();

  /** @param name without namespace; the overloads in the order in which they are tried. */
  constructor(name: string, overloads: readonly string[]) {
    this.name = name;
    this.#overloadNames = overloads;
  }

  call1(a: unknown): unknown {
    const plan = this.#one[kindOf(a)];
    if (plan === undefined) return this.call([a]);
    const target = wire;
    target[0] = plan.id;
    target[1] = 1;
    if (a instanceof Tensor) {
      target[2] = w.TENSOR;
      target[3] = a.handle;
    } else {
      at = 2;
      put(a);
    }
    run(plan, a, undefined);
    if (plan.single && wire[0] === w.TENSOR) return born(wire[1]!);
    return results(plan, [a]);
  }

  call2(a: unknown, b: unknown): unknown {
    const plan = this.#two[kindOf(a) * KINDS + kindOf(b)];
    if (plan === undefined) return this.call([a, b]);
    const target = wire;
    target[0] = plan.id;
    target[1] = 2;
    if (a instanceof Tensor && b instanceof Tensor) {
      target[2] = w.TENSOR;
      target[3] = a.handle;
      target[4] = w.TENSOR;
      target[5] = b.handle;
    } else {
      at = 2;
      put(a);
      put(b);
    }
    run(plan, a, b);
    if (plan.single && wire[0] === w.TENSOR) return born(wire[1]!);
    return results(plan, [a, b]);
  }

  /** Any number of arguments, an options object in last position among them. */
  call(args: readonly unknown[]): unknown {
    const signature = signatureOf(args);
    const known = signature > 0 ? this.#more.get(signature) : undefined;
    if (known) return invoke(known, args);
    const options = trailingOptions(args);
    const positional = options ? args.slice(0, -1) : args;
    for (const plan of this.#plans()) {
      const placed = place(plan.schema, positional, options);
      if (typeof placed === 'string') continue;
      if (!options) this.#remember(plan, args, signature);
      return invoke(plan, placed);
    }
    throw this.#mismatch(positional, options);
  }

  #plans(): Plan[] {
    if (this.#overloads) return this.#overloads;
    // Versions of libtorch differ in a handful of overloads: an operator is missing only where all of them are.
    const found: Plan[] = [];
    let reason: unknown;
    for (const overload of this.#overloadNames) {
      try {
        found.push(plan(`aten::${this.name}`, overload));
      } catch (error) {
        reason = error;
      }
    }
    if (found.length === 0) throw reason;
    return (this.#overloads = found);
  }

  #remember(plan: Plan, args: readonly unknown[], signature: number): void {
    if (signature === 0) return;
    if (args.length === 1) this.#one[signature % KINDS] = plan;
    else if (args.length === 2) this.#two[signature % (KINDS * KINDS)] = plan;
    else this.#more.set(signature, plan);
  }

  #mismatch(positional: readonly unknown[], options: Record<string, unknown> | null): Error {
    const plans = this.#plans();
    const given = [
      ...positional.map(describe),
      ...Object.entries(options ?? {}).map(([k, v]) => `${k}: ${describe(v)}`),
    ];
    const only = plans.length === 1 ? `: ${String(place(plans[0]!.schema, positional, options))}` : '';
    const schemas = plans.map(({ schema }) => `\n  ${schema.text}`).join('');
    const name = `aten::${this.name}`;
    return new ArgumentError(`${name} does not take (${given.join(', ')})${only}; it takes:${schemas}`, {
      operator: name,
    });
  }
}

/** Digits of the arguments' kinds behind a leading one; 0 where the kinds do not decide or do not fit a number. */
function signatureOf(args: readonly unknown[]): number {
  if (args.length > 7) return 0;
  let signature = 1;
  for (const value of args) {
    const kind = kindOf(value);
    if (kind === UNDECIDED) return 0;
    signature = signature * KINDS + kind;
  }
  return signature;
}

function trailingOptions(args: readonly unknown[]): Record<string, unknown> | null {
  const last = args.at(-1);
  if (typeof last !== 'object' || last === null) return null;
  const prototype: unknown = Object.getPrototypeOf(last);
  return prototype === Object.prototype || prototype === null ? (last as Record<string, unknown>) : null;
}

/** The arguments in schema order, or the reason why they do not fit. */
function place(
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
      return `'${argument.name}' goes into the options`;
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
  return value === undefined ? `'${name}' is missing` : `'${name}' is no ${describe(value)}`;
}

function invoke(plan: Plan, args: readonly unknown[]): unknown {
  wire[0] = plan.id;
  wire[1] = args.length;
  at = 2;
  room(3 * args.length + 16);
  for (const value of args) put(value);
  run(plan, null, null, args);
  return results(plan, args);
}

const plans = new Map<string, Plan>();

/**
 * Calls any operator of libtorch by its schema's name, as unsafely as PyTorch does: types and counts are checked,
 * values are not. dtypes, layouts, memory formats and devices are strings, lists are arrays, `null` is none.
 * @param name with namespace, such as `aten::add`
 * @param overload such as `Tensor`; `''` for the overload without a name
 * @param args in the schema's order; what is left out takes its default
 * @param kwargs by the schema's names
 * @returns the result; several come as an array, none as undefined
 * @throws NotImplementedError where this libtorch has no such operator; ArgumentError for wrong types or counts
 */
export function callOperator(
  name: string,
  overload = '',
  args: readonly unknown[] = [],
  kwargs: Readonly<Record<string, unknown>> = {},
): any {
  const key = `${name}.${overload}`;
  let known = plans.get(key);
  if (!known) plans.set(key, (known = plan(name, overload)));
  const expected = known.schema.arguments;
  const placed = [...args];
  if (placed.length > expected.length) {
    throw new ArgumentError(`${known.name} takes ${expected.length} arguments, not ${placed.length}`, {
      operator: known.name,
    });
  }
  for (const [key, value] of Object.entries(kwargs)) {
    const index = expected.findIndex((argument) => argument.name === key);
    if (index < 0 || index < args.length) {
      const reason = index < 0 ? 'no argument' : 'two values for';
      throw new ArgumentError(`${known.name} has ${reason} '${key}': ${known.schema.text}`, {
        operator: known.name,
      });
    }
    while (placed.length < index) placed.push(undefined);
    placed[index] = value;
  }
  return invoke(known, placed);
}

function describeAll(args: ArrayLike<unknown>): string {
  return Array.from(args, describe).join(', ');
}

/** A value as error messages show it: tensors by dtype and shape. */
export function describe(value: unknown): string {
  if (value instanceof Tensor) {
    if (value.disposed) return 'disposed tensor';
    return `${value.dtype}[${value.shape.join(', ')}]${value.device === 'cpu' ? '' : ` on ${value.device}`}`;
  }
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map(describe);
    return `[${shown.join(', ')}${value.length > 8 ? `, … ${value.length} in all` : ''}]`;
  }
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'function';
  if (typeof value === 'symbol') return 'symbol';
  if (typeof value === 'object') return value.constructor?.name ?? 'object';
  return String(value as number | boolean | bigint);
}

/** A method bound to an operator: `self` is the first argument. */
export function methodOf(operator: Operator): (this: Tensor, ...args: unknown[]) => unknown {
  return function (this: Tensor, a?: unknown) {
    if (arguments.length === 0) return operator.call1(this);
    if (arguments.length === 1) return operator.call2(this, a);
    // oxlint-disable-next-line prefer-rest-params -- a rest parameter would allocate on the short paths
    return operator.call([this, ...arguments]);
  };
}

/** A function bound to an operator. */
export function functionOf(operator: Operator): (...args: unknown[]) => unknown {
  return function (a?: unknown, b?: unknown) {
    if (arguments.length === 1) return operator.call1(a);
    if (arguments.length === 2) return operator.call2(a, b);
    // oxlint-disable-next-line prefer-rest-params
    return operator.call([...arguments]);
  };
}

/** Defines an operator's function; the generated files give it its type. */
export function define<F>(name: string, overloads: readonly string[]): F {
  return functionOf(operatorFor(name, overloads)) as F;
}

const operators = new Map<string, Operator>();

function operatorFor(name: string, overloads: readonly string[]): Operator {
  const operator = new Operator(name, overloads);
  operators.set(name, operator);
  return operator;
}

/** Makes the operators whose first argument is `self` methods of Tensor, except where it has one of its own. */
export function installMethods(names: readonly string[]): void {
  for (const name of names) {
    const operator = operators.get(name);
    const key = camelCase(name);
    if (!operator || Object.hasOwn(Tensor.prototype, key)) continue;
    Object.defineProperty(Tensor.prototype, key, {
      value: methodOf(operator),
      writable: true,
      configurable: true,
    });
  }
}

export { NotImplementedError };
