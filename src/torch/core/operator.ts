import { describe } from './describe.js';
import { dtypeNumber } from './dtype.js';
import { requireCuda } from './device.js';
import { deviceNumbers } from './device-numbers.js';
import { checkFor, type Check } from './checks.js';
import { ArgumentError, named, translate, UnsafeOperatorError } from './errors.js';
import { layoutNumber, memoryFormatNumber } from './layout.js';
import { native } from '../native/load.js';
import { growWire, TENSOR, wire } from '../native/wire.js';
import { KINDS, kindOf, place, signatureOf, trailingOptions } from './overload.js';
import { camelCase, parseSchema, type Schema, type SchemaArgument } from './schema.js';
import { born, OwnTensor, Tensor } from './tensor.js';
import { unsafeOperators } from './unsafe-operators.js';
import { beginCall, beginResults, put, putDevice, take } from './values.js';

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
  /** What the typed API checks before a call. */
  check: Check | null;
  /** Why the typed API calls it only where the options say `unsafe: true`. */
  unsafe: string | null;
}

/** Looks an overload up. `name` has its namespace; the overload's name is empty for an operator's first. */
export function plan(name: string, overload: string): Plan {
  let resolved;
  try {
    resolved = native.resolve(name, overload);
  } catch (error) {
    throw translate(error, overload ? `${name}.${overload}` : name);
  }
  const schema = parseSchema(resolved.schema);
  const sameAs = schema.returns.map(({ written }) =>
    written === null ? -1 : schema.arguments.findIndex((argument) => argument.written === written),
  );
  const full = overload ? `${name}.${overload}` : name;
  return {
    id: resolved.id,
    schema,
    name: full,
    sameAs,
    single: sameAs.length === 1 && sameAs[0] === -1,
    check: checkFor(schema),
    unsafe: unsafeOperators[full] ?? null,
  };
}

/** Writes a call with one argument. */
function writeOne(plan: Plan, a: unknown): void {
  try {
    beginCall(plan.id, 1);
    put(a);
  } catch (error) {
    throw named(error, plan.name);
  }
}

/** Writes a call with two arguments. */
function writeTwo(plan: Plan, a: unknown, b: unknown): void {
  try {
    beginCall(plan.id, 2);
    put(a);
    put(b);
  } catch (error) {
    throw named(error, plan.name);
  }
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
    throw translate(error, plan.name, () => Array.from(args ?? [a, b], describe).join(', '));
  }
}

/** The results on the wire; what was changed in place is the argument itself. */
function results(plan: Plan, args: ArrayLike<unknown>): unknown {
  try {
    beginResults();
    const values = plan.sameAs.map((index) => (index >= 0 ? args[index] : take()));
    return values.length > 1 ? values : values[0];
  } catch (error) {
    throw named(error, plan.name);
  }
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
    if (a instanceof OwnTensor) {
      const target = wire;
      target[0] = plan.id;
      target[1] = 1;
      target[2] = TENSOR;
      target[3] = a.handle;
    } else {
      writeOne(plan, a);
    }
    run(plan, a, undefined);
    if (plan.single && wire[0] === TENSOR) return born(wire[1]!);
    return results(plan, [a]);
  }

  call2(a: unknown, b: unknown): unknown {
    const plan = this.#two[kindOf(a) * KINDS + kindOf(b)];
    if (plan === undefined) return this.call([a, b]);
    if (a instanceof OwnTensor && b instanceof OwnTensor) {
      const target = wire;
      target[0] = plan.id;
      target[1] = 2;
      target[2] = TENSOR;
      target[3] = a.handle;
      target[4] = TENSOR;
      target[5] = b.handle;
    } else {
      writeTwo(plan, a, b);
    }
    run(plan, a, b);
    if (plan.single && wire[0] === TENSOR) return born(wire[1]!);
    return results(plan, [a, b]);
  }

  /** Any number of arguments, an options object in last position among them. */
  call(args: readonly unknown[]): unknown {
    const signature = signatureOf(args);
    const known = signature > 0 ? this.#more.get(signature) : undefined;
    if (known) return invokeChecked(known, args);
    const given = trailingOptions(args);
    const positional = given ? args.slice(0, -1) : args;
    const { options, unsafe } = this.#withoutUnsafe(given);
    for (const plan of this.#plans()) {
      const placed = place(plan.schema, positional, options);
      if (typeof placed === 'string') continue;
      if (plan.unsafe !== null && !unsafe) throw unsafeCall(plan, plan.unsafe);
      if (!given && plan.unsafe === null) this.#remember(plan, args, signature);
      return invokeChecked(plan, placed);
    }
    throw this.#mismatch(positional, options);
  }

  /** Where one of its overloads is not safe, `unsafe` is an option. */
  #withoutUnsafe(given: Record<string, unknown> | null): {
    options: Record<string, unknown> | null;
    unsafe: boolean;
  } {
    if (!given || !Object.hasOwn(given, 'unsafe') || this.#plans().every((plan) => plan.unsafe === null))
      return { options: given, unsafe: false };
    const { unsafe, ...options } = given;
    return { options, unsafe: unsafe === true };
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
    // The short ways check nothing.
    if (plan.check !== null) this.#more.set(signature, plan);
    else if (args.length === 1) this.#one[signature % KINDS] = plan;
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

/** libtorch looks a dtype up in a table by its number, and past the table's end for a number that is none. */
/** dtypes, layouts and memory formats are numbers to libtorch. */
const enumerators: Readonly<Record<string, (name: string) => number | undefined>> = {
  ScalarType: dtypeNumber,
  Layout: layoutNumber,
  MemoryFormat: memoryFormatNumber,
};

function refuseEnumerator(value: number | bigint, { base, name }: SchemaArgument): void {
  if (!enumerators[base]) return;
  throw new ArgumentError(`argument '${name}' takes the name of a ${base}, not ${value}`);
}

function writeText(value: string, { base, name }: SchemaArgument): void {
  if (base === 'Device') {
    // libtorch's own words for a CUDA that is not there name an operator nobody called.
    if (value.startsWith('cuda')) requireCuda();
    const device = deviceNumbers(value);
    return device === null ? put(value) : putDevice(device);
  }
  const lookUp = enumerators[base];
  if (!lookUp) return put(value);
  const number = lookUp(value);
  if (number !== undefined) return put(number);
  throw new ArgumentError(`argument '${name}' takes the name of a ${base}, not '${value}'`);
}

function write(plan: Plan, args: readonly unknown[]): void {
  try {
    beginCall(plan.id, args.length);
    const expected = plan.schema.arguments;
    for (let i = 0; i < args.length; i++) {
      const value = args[i];
      if (typeof value === 'string') {
        writeText(value, expected[i]!);
      } else {
        if (typeof value === 'number' || typeof value === 'bigint') refuseEnumerator(value, expected[i]!);
        put(value);
      }
    }
  } catch (error) {
    throw named(error, plan.name);
  }
}

function invoke(plan: Plan, args: readonly unknown[]): unknown {
  write(plan, args);
  run(plan, null, null, args);
  if (plan.single && wire[0] === TENSOR) return born(wire[1]!);
  return results(plan, args);
}

/** A call of the typed API. */
function invokeChecked(plan: Plan, args: readonly unknown[]): unknown {
  plan.check?.(args);
  return invoke(plan, args);
}

function unsafeCall(plan: Plan, reason: string): UnsafeOperatorError {
  return new UnsafeOperatorError(
    `${plan.name} is not safe: ${reason}. Where you know what you pass, call it with the option { unsafe: true }`,
    { operator: plan.name },
  );
}

/** One overload as a function of its arguments in schema order. */
export interface BoundOverload {
  (args: readonly unknown[]): unknown;
  /** The operator's name, for errors. */
  readonly operator: string;
}

/** Binds an overload for calls that need no choice; it is looked up at the first. */
export function bindOverload(name: string, overload: string): BoundOverload {
  let known: Plan | undefined;
  const call = (args: readonly unknown[]) => invokeChecked((known ??= plan(name, overload)), args);
  return Object.assign(call, { operator: name });
}

const plans = new Map<string, Map<string, Plan>>();

function planOf(name: string, overload: string): Plan {
  let overloads = plans.get(name);
  if (!overloads) plans.set(name, (overloads = new Map()));
  let known = overloads.get(overload);
  if (!known) overloads.set(overload, (known = plan(name, overload)));
  return known;
}

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
  kwargs?: Readonly<Record<string, unknown>>,
): any {
  const known = planOf(name, overload);
  const expected = known.schema.arguments;
  const placed = [...args];
  if (placed.length > expected.length) {
    throw new ArgumentError(`${known.name} takes ${expected.length} arguments, not ${placed.length}`, {
      operator: known.name,
    });
  }
  for (const [key, value] of Object.entries(kwargs ?? {})) {
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
