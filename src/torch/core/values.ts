import { describe } from './describe.js';
import type { DeviceNumbers } from './device-numbers.js';
import { ArgumentError } from './errors.js';
import * as w from '../native/wire.js';
import { growWire, integerAt, setIntegerAt, wire } from '../native/wire.js';
import { Generator } from './random.js';
import { ComplexScalar, FloatScalar } from './scalar.js';
import { born, OwnTensor, Tensor } from './tensor.js';

// Each element takes four numbers, which must fit into the wire.
const LONGEST_LIST = 2 ** 22;

// Position after the last element written, or of the next one to read.
let at = 0;

/** Starts a call: the arguments follow. */
export function beginCall(plan: number, count: number): void {
  wire[0] = plan;
  wire[1] = count;
  at = 2;
  room(3 * count + 16);
}

/** Starts reading results. */
export function beginResults(): void {
  at = 0;
}

function room(length: number): void {
  if (at + length > wire.length) growWire(at + length);
}

/** Writes a value according to its JavaScript type; the addon checks it against the schema. */
export function put(value: unknown): void {
  if (value instanceof OwnTensor) {
    wire[at++] = w.TENSOR;
    wire[at++] = value.handle;
  } else if (typeof value === 'number') {
    wire[at++] = w.NUMBER;
    wire[at++] = value;
  } else {
    putOther(value);
  }
}

/** Writes a device as libtorch's numbers. */
export function putDevice({ type, index }: DeviceNumbers): void {
  wire[at++] = w.DEVICE;
  wire[at++] = type;
  wire[at++] = index;
}

function putOther(value: unknown): void {
  if (value === undefined) {
    wire[at++] = w.ABSENT;
  } else if (value === null) {
    wire[at++] = w.NONE;
  } else if (isList(value)) {
    putList(value);
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
  } else if (value instanceof Tensor) {
    wire[at++] = w.TENSOR;
    wire[at++] = value.handle;
  } else {
    throw new ArgumentError(`an operator argument cannot be ${describe(value)}`);
  }
}

function putList(values: ArrayLike<unknown>): void {
  const { length } = values;
  if (length > LONGEST_LIST)
    throw new ArgumentError(`a list of ${length} elements is too long: at most ${LONGEST_LIST} are allowed`);
  room(4 * length + 16);
  wire[at++] = w.LIST;
  wire[at++] = length;
  for (let i = 0; i < length; i++) {
    // No operator takes nested lists, and a list may contain itself.
    if (isList(values[i])) throw new ArgumentError(`an operator argument cannot be ${describe(values)}`);
    put(values[i]);
    // Objects and strings take more room than was reserved: reserve more for the remaining elements.
    if (typeof values[i] === 'object' || typeof values[i] === 'string') room(4 * (length - i) + 16);
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Reads the value at `at` from the wire. */
export function take(): unknown {
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
