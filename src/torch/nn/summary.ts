import { itemSize } from '../index.js';
import type { Module } from './module.js';

/** A module's line in a summary. */
export interface SummaryRow {
  /** Key of the module; empty for the model itself. */
  readonly key: string;
  /** Name of its class. */
  readonly type: string;
  /** Elements of the module's own parameters, without the modules below it. */
  readonly parameters: number;
}

/** The counts of a {@link summary}. */
export interface Summary {
  readonly rows: readonly SummaryRow[];
  /** Elements of all parameters; shared ones count once. */
  readonly parameters: number;
  /** Elements of the parameters that require a gradient. */
  readonly trainable: number;
  /** Elements of buffers. */
  readonly buffers: number;
  /** Bytes of parameters and buffers. */
  readonly bytes: number;
  /** Formats the summary as a table. */
  toString(): string;
}

/**
 * Counts a model's parameters: `console.log(String(summary(model)))`.
 *
 * @example
 * ```ts
 * const model = new nn.Sequential(new nn.Linear(8, 32), new nn.GELU(), new nn.Linear(32, 2));
 * console.log(String(nn.summary(model)));
 * const { parameters } = nn.summary(model); // 354
 * ```
 */
export function summary(model: Module): Summary {
  const counted = model.namedParameters().map(([key, parameter]) => ({
    owner: key.slice(0, Math.max(key.lastIndexOf('.'), 0)),
    count: parameter.numel(),
    bytes: parameter.numel() * itemSize[parameter.dtype],
    learnt: parameter.requiresGrad,
  }));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const rows = model.namedModules().map(([key, module]) => ({
    key,
    type: module.constructor.name,
    parameters: sum(counted.filter(({ owner }) => owner === key).map(({ count }) => count)),
  }));
  const buffers = model.buffers();
  const result = {
    rows,
    parameters: sum(counted.map(({ count }) => count)),
    trainable: sum(counted.filter(({ learnt }) => learnt).map(({ count }) => count)),
    buffers: sum(buffers.map((buffer) => buffer.numel())),
    bytes:
      sum(counted.map(({ bytes }) => bytes)) +
      sum(buffers.map((buffer) => buffer.numel() * itemSize[buffer.dtype])),
  };
  return { ...result, toString: () => table(result) };
}

function table({ rows, parameters, trainable, buffers, bytes }: Omit<Summary, 'toString'>): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const lines = rows.map(({ key, type, parameters: own }) => {
    const depth = key === '' ? 0 : key.split('.').length;
    const name = key === '' ? type : `${key.slice(key.lastIndexOf('.') + 1)}: ${type}`;
    return [`${'  '.repeat(depth)}${name}`, own === 0 ? '' : number(own)] as const;
  });
  const width = Math.max(...lines.map(([name]) => name.length));
  const digits = Math.max(...lines.map(([, count]) => count.length), number(parameters).length);
  return [
    ...lines.map(([name, count]) => `${name.padEnd(width)}  ${count.padStart(digits)}`.trimEnd()),
    '-'.repeat(width + digits + 2),
    `parameters: ${number(parameters)}, trainable: ${number(trainable)}`,
    `buffers: ${number(buffers)}; total size ${(bytes / 2 ** 20).toFixed(2)} MiB`,
  ].join('\n');
}
