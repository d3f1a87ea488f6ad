/** 503 calls recorded from PyTorch's own operator tests, through `callOperator`, on any device. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as torch from '../../src/torch/index.js';
import type { DType, Tensor } from '../../src/torch/index.js';

type Value =
  | null
  | boolean
  | string
  | { int: number }
  | { float: string }
  | { complex: [string, string] }
  | { tensor: DType; shape: number[]; data: string }
  | { list: Value[] }
  | { dtype: string }
  | { device: string }
  | { layout: string }
  | { memoryFormat: string };

interface Call {
  op: string;
  overload: string;
  args: Value[];
  kwargs: Record<string, Value>;
  out: Value;
}

export const calls = gunzipSync(
  readFileSync(new URL('../fixtures/golden/operators.jsonl.gz', import.meta.url)),
)
  .toString()
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Call);

function number(text: string): number {
  return { inf: Infinity, '-inf': -Infinity, nan: NaN }[text] ?? Number(text);
}

function argument(value: Value, device: torch.Device): unknown {
  if (value === null || typeof value !== 'object') return value;
  if ('int' in value) return value.int;
  if ('float' in value) return torch.floatScalar(number(value.float));
  if ('complex' in value) return torch.complexScalar(number(value.complex[0]), number(value.complex[1]));
  if ('list' in value) return value.list.map((one) => argument(one, device));
  if ('tensor' in value) {
    const tensor = torch.empty(value.shape, { dtype: value.tensor });
    torch.writeBytes(tensor, 0, new Uint8Array(Buffer.from(value.data, 'base64')));
    return tensor.to(device);
  }
  if ('device' in value) return device;
  return Object.values(value)[0];
}

/** The elements as doubles; complex numbers as two. */
function doubles(tensor: Tensor): Float64Array {
  return tensor.to(torch.isComplex(tensor.dtype) ? 'complex128' : 'float64').toTypedArray() as Float64Array;
}

const tolerance = 1e-4;

function close(actual: number, expected: number, largest: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Math.abs(actual - expected) <= tolerance * largest + tolerance * Math.abs(expected);
}

/** Returns the error of a result; null for one that agrees. */
function difference(actual: unknown, expected: Value): string | null {
  if (expected === null) return actual === null || actual === undefined ? null : 'expected nothing';
  if (typeof expected === 'object' && 'list' in expected) {
    const list = Array.isArray(actual) ? (actual as unknown[]) : [actual];
    if (list.length !== expected.list.length) return `${list.length} results for ${expected.list.length}`;
    return list.map((one, i) => difference(one, expected.list[i]!)).find((found) => found !== null) ?? null;
  }
  const wanted = argument(expected, 'cpu');
  if (wanted instanceof torch.Tensor) {
    if (!(actual instanceof torch.Tensor)) return 'no tensor';
    if (actual.dtype !== wanted.dtype) return `${actual.dtype} for ${wanted.dtype}`;
    if (String(actual.shape) !== String(wanted.shape))
      return `shape [${actual.shape.join()}] for [${wanted.shape.join()}]`;
    const [a, b] = [doubles(actual), doubles(wanted)];
    const exact = !torch.isFloatingPoint(wanted.dtype) && !torch.isComplex(wanted.dtype);
    const largest = b.reduce(
      (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
      0,
    );
    const at = a.findIndex((value, i) => (exact ? value !== b[i] : !close(value, b[i]!, largest)));
    return at < 0 ? null : `element ${at} is ${a[at]} for ${b[at]}`;
  }
  if (wanted instanceof torch.FloatScalar)
    return close(actual as number, wanted.value, Math.abs(wanted.value)) ? null : String(actual);
  if (wanted instanceof torch.ComplexScalar) {
    const { re, im } = actual as torch.ComplexScalar;
    return close(re, wanted.re, Math.abs(wanted.re)) && close(im, wanted.im, Math.abs(wanted.im))
      ? null
      : `${re}, ${im}`;
  }
  return actual === wanted ? null : `${String(actual)} for ${String(wanted)}`;
}

/** A recorded call that did not give, on this device, what PyTorch gave. */
export interface Disagreement {
  call: string;
  why: string;
}

/** Operators without a kernel outside the CPU, in PyTorch too. None of the recorded ones draws random numbers. */
const cpuOnly = new Set([
  'aten::histogram.bin_ct',
  'aten::_histogramdd_bin_edges.',
  'aten::_histogramdd_from_bin_tensors.',
]);

/** True if a recorded call applies to a device: for least squares, CUDA has only one driver. */
function belongsOn(device: torch.Device, { op, overload, kwargs }: Call): boolean {
  if (device === 'cpu') return true;
  const driver = op === 'aten::linalg_lstsq' ? kwargs['driver'] : null;
  return !cpuOnly.has(`${op}.${overload}`) && (driver ?? 'gels') === 'gels';
}

/** In evaluation mode CUDA's batch norms give moments where the CPU's give empty tensors: the first result is compared. */
function comparable(device: torch.Device, { op, args }: Call, results: Value): Value {
  const evaluates = /native_batch_norm/.test(op) && args[5] === false;
  if (device === 'cpu' || !evaluates || results === null || typeof results !== 'object') return results;
  return 'list' in results ? { list: results.list.slice(0, 1) } : results;
}

/** Makes every recorded call on `device`: those that ran, and those that disagree. */
export function checkOperators(device: torch.Device): { ran: number; disagreements: Disagreement[] } {
  const disagreements: Disagreement[] = [];
  let ran = 0;
  for (const [i, call] of calls.entries()) {
    if (!belongsOn(device, call)) continue;
    const { op, overload, args, kwargs } = call;
    const out = comparable(device, call, call.out);
    ran += 1;
    const why = torch.scope(() => {
      const make = (value: Value) => argument(value, device);
      const named = Object.fromEntries(Object.entries(kwargs).map(([key, value]) => [key, make(value)]));
      try {
        const given = torch.callOperator(op, overload, args.map(make), named) as unknown;
        const whole = out === call.out || !Array.isArray(given);
        return difference(whole ? given : given.slice(0, 1), out);
      } catch (error) {
        return (error as Error).message;
      }
    });
    if (why !== null) disagreements.push({ call: `line ${i + 1}: ${op}.${overload}`, why });
  }
  return { ran, disagreements };
}
