import { join } from 'node:path';
import { inspect } from 'node:util';
import { describeWeights } from '../../../models/weights/describe.js';
import { waysOfReading } from '../../../models/weights/wrapped.js';
import { itemSize, type DType } from '../../../torch/index.js';
import { loadCheckpoint, type Checkpoint, type LazyTensors } from '../../../torch/io/index.js';
import { byteProgress } from '../../byte-progress.js';
import { formatBytes } from '../../../setup/progress.js';
import { attempt, exists } from '../../../files/look.js';
import { newestCheckpoint, weightsOf } from '../../../runs/checkpoint.js';

interface Row {
  key: string;
  dtype: string;
  shape: readonly number[];
  bytes: number;
}

/** Number of tensors up to which all are listed without --keys. */
const SHORT = 40;
const MAX_METADATA = 20_000;

const formats = {
  safetensors: 'safetensors',
  'pytorch-zip': 'PyTorch (zip)',
  'pytorch-legacy': 'PyTorch (before 1.6)',
};

/** Returns the content of a file, or of the weights of a run, as text or JSON. */
export async function inspectFile(
  given: string,
  { keys, json = false }: { keys?: string | true; json?: boolean },
): Promise<string> {
  const path = exists(join(given, 'config.yaml')) ? await weightsOfRun(given, json) : given;
  using checkpoint = await loadCheckpoint(path);
  const rows = rowsOf(checkpoint.all);
  const { size } = checkpoint;
  const model = modelIn(checkpoint);
  if (json) {
    const { format, metadata } = checkpoint;
    return `${JSON.stringify({ path, format, size, model, metadata, tensors: rows }, jsonValue, 2)}\n`;
  }
  const lines = [
    `${path}: ${formats[checkpoint.format]}, ${formatBytes(size)}`,
    ...aligned([
      ...model.map((line) => ['model', line] as const),
      ['tensors', countsOf(rows)],
      ...facts(checkpoint.metadata),
    ]),
    '',
    ...table(rows, keys),
  ];
  return `${lines.join('\n')}\n`;
}

async function weightsOfRun(run: string, json: boolean): Promise<string> {
  const progress = byteProgress({ json });
  return weightsOf(await newestCheckpoint(run, progress.tell).finally(progress.end));
}

function rowsOf(tensors: LazyTensors): Row[] {
  return [...tensors.keys()].map((key) => {
    const { shape, dtype } = infoOf(tensors, key);
    const count = shape.reduce((product, length) => product * length, 1);
    return { key, dtype, shape, bytes: count * (itemSize[dtype as DType] ?? 1) };
  });
}

/** Returns shape and dtype of a tensor; `unknown` for a dtype that is not supported. */
function infoOf(tensors: LazyTensors, key: string): { shape: readonly number[]; dtype: string } {
  return attempt(() => tensors.info(key)) ?? { shape: [], dtype: 'unknown' };
}

/** Describes the model that is recognised in the weights, which may be nested in wrappers such as `model`. */
function modelIn({ tensors }: Checkpoint): string[] {
  for (const { prefix, rename } of waysOfReading([...tensors.keys()])) {
    const inner = tensors.below(prefix);
    const shapes = new Map([...inner.keys()].map((key) => [rename(key), infoOf(inner, key).shape]));
    const found = describeWeights(shapes);
    if (found.length > 0)
      return found.map((line) => (prefix === '' ? line : `${line}, under ${prefix.slice(0, -1)}`));
  }
  return [];
}

function sumsBy(
  rows: readonly Row[],
  groupOf: (row: Row) => string,
): Map<string, { count: number; bytes: number }> {
  const sums = new Map<string, { count: number; bytes: number }>();
  for (const row of rows) {
    const { count, bytes } = sums.get(groupOf(row)) ?? { count: 0, bytes: 0 };
    sums.set(groupOf(row), { count: count + 1, bytes: bytes + row.bytes });
  }
  return sums;
}

function countsOf(rows: readonly Row[]): string {
  const parts = [...sumsBy(rows, ({ dtype }) => dtype)].map(
    ([dtype, { count, bytes }]) => `${count} ${dtype} (${formatBytes(bytes)})`,
  );
  return rows.length === 0 ? 'none' : parts.join(', ');
}

function facts(metadata: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  return Object.entries(metadata).map(([name, value]) => {
    const text = inspect(value, { depth: 6, breakLength: 100, maxArrayLength: 12, maxStringLength: 200 });
    return [name.slice(0, 60), text.replaceAll('\n', '\n  ')] as const;
  });
}

/** Returns lines of names and values, the values one below the other. */
function aligned(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(30, Math.max(...pairs.map(([name]) => name.length)));
  const text = pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
  return [text.length > MAX_METADATA ? `${text.slice(0, MAX_METADATA)}…` : text];
}

function table(rows: readonly Row[], keys: string | true | undefined): string[] {
  const wanted = typeof keys === 'string' ? rows.filter(({ key }) => key.includes(keys)) : rows;
  if (keys === undefined && rows.length > SHORT)
    return [...groups(rows), '', 'to list every tensor, add --keys'];
  const width = Math.min(80, Math.max(0, ...wanted.map(({ key }) => key.length)));
  return wanted.map(
    ({ key, dtype, shape, bytes }) =>
      `${key.padEnd(width)}  ${dtype.padEnd(8)}  [${shape.join(', ')}]  ${formatBytes(bytes)}`,
  );
}

/** Returns lines with sums by the first parts of the keys. */
function groups(rows: readonly Row[]): string[] {
  const sums = sumsBy(rows, ({ key }) => {
    const parts = key.split('.');
    const deep = parts[0] === 'state_dict' || parts[0] === 'optimizer_states' ? 3 : 2;
    return parts.slice(0, Math.min(deep, parts.length - 1)).join('.') || key;
  });
  const width = Math.min(60, Math.max(...[...sums.keys()].map((name) => name.length)));
  const lines = [...sums].map(
    ([name, { count, bytes }]) =>
      `${name.padEnd(width)}  ${String(count).padStart(5)} tensors  ${formatBytes(bytes)}`,
  );
  return lines.length > 2 * SHORT
    ? [...lines.slice(0, 2 * SHORT), `… and ${lines.length - 2 * SHORT} more`]
    : lines;
}

/** Converts values that JSON lacks: large integers, NaN and infinities to strings, byte arrays to lists. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (ArrayBuffer.isView(value)) {
    const items: (number | bigint)[] = [...(value as Float64Array | BigInt64Array)];
    return items.map((item) => (typeof item === 'bigint' ? item.toString() : item));
  }
  return value;
}
