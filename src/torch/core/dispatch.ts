/**
 * Calls of a planned overload: writes the arguments to the wire, makes the addon's boxed call and reads the results.
 */
import { native } from '../native/load.js';
import { growWire, TENSOR, wire } from '../native/wire.js';
import { describe } from './describe.js';
import { deviceNumbers } from './device-numbers.js';
import { requireCuda } from './device.js';
import { dtypeNumber } from './dtype.js';
import { ArgumentError, named, translate } from './errors.js';
import { layoutNumber, memoryFormatNumber } from './layout.js';
import { plan, planOf, type Plan } from './plan.js';
import type { SchemaArgument } from './schema.js';
import { born } from './tensor.js';
import { beginCall, beginResults, put, putDevice, take } from './values.js';

/** Runs a call with one argument. */
export function writeOne(plan: Plan, a: unknown): void {
  try {
    beginCall(plan.id, 1);
    put(a);
  } catch (error) {
    throw named(error, plan.name);
  }
}

/** Runs a call with two arguments. */
export function writeTwo(plan: Plan, a: unknown, b: unknown): void {
  try {
    beginCall(plan.id, 2);
    put(a);
    put(b);
  } catch (error) {
    throw named(error, plan.name);
  }
}

/** Runs the call on the wire. */
export function run(plan: Plan, a: unknown, b?: unknown, args?: ArrayLike<unknown>): void {
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

/** Reads the results from the wire; an argument changed in place is returned as the same object. */
export function results(plan: Plan, args: ArrayLike<unknown>): unknown {
  try {
    beginResults();
    const values = plan.sameAs.map((index) => (index >= 0 ? args[index] : take()));
    return values.length > 1 ? values : values[0];
  } catch (error) {
    throw named(error, plan.name);
  }
}

/**
 * dtypes, layouts and memory formats are numbers to libtorch, which reads past the end of its table for an invalid
 * number.
 */
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
    // libtorch's own message for missing CUDA names an operator that the user did not call.
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
export function invokeChecked(plan: Plan, args: readonly unknown[]): unknown {
  plan.check?.(args);
  return invoke(plan, args);
}

/** An overload as a function of its arguments in schema order. */
export interface BoundOverload {
  (args: readonly unknown[]): unknown;
  /** The operator's name, for errors. */
  readonly operator: string;
}

/** Binds an overload for calls that need no overload resolution; it is looked up at the first call. */
export function bindOverload(name: string, overload: string): BoundOverload {
  let known: Plan | undefined;
  const call = (args: readonly unknown[]) => invokeChecked((known ??= plan(name, overload)), args);
  return Object.assign(call, { operator: name });
}

/**
 * Calls any operator of libtorch by its schema's name. As unsafe as in PyTorch: types and counts are checked, values
 * are not. dtypes, layouts, memory formats and devices are strings, lists are arrays, `null` stands for None.
 * @param name with namespace, such as `aten::add`
 * @param overload such as `Tensor`; `''` for the overload without a name
 * @param args in the schema's order; omitted ones take their defaults
 * @param kwargs by the schema's names
 * @returns the result; an array for several results, undefined for none
 * @throws NotImplementedError if this libtorch has no such operator; ArgumentError for wrong types or counts
 *
 * @example
 * ```ts
 * const x = torch.callOperator('aten::add', 'Tensor', [torch.ones([2]), torch.ones([2])], { alpha: 3 }); // [4, 4]
 * ```
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
