import { Tensor } from './tensor.js';

const DEEPEST = 4;

/** Describes a value for error messages: tensors by dtype and shape. Never throws. */
export function describe(value: unknown): string {
  try {
    return text(value, 0);
  } catch {
    return 'something that cannot be described';
  }
}

function text(value: unknown, depth: number): string {
  if (value instanceof Tensor) return tensorText(value);
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) {
    if (depth === DEEPEST) return 'array';
    const shown = value.slice(0, 8).map((element) => text(element, depth + 1));
    return `[${shown.join(', ')}${value.length > 8 ? `, … ${value.length} in all` : ''}]`;
  }
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'function';
  if (typeof value === 'symbol') return 'symbol';
  if (typeof value === 'object') return value.constructor?.name ?? 'object';
  return (value as number | boolean | bigint).toString();
}

function tensorText(tensor: Tensor): string {
  if (tensor.disposed) return 'disposed tensor';
  // A nested tensor has no single shape.
  try {
    return `${tensor.dtype}[${tensor.shape.join(', ')}]${tensor.device === 'cpu' ? '' : ` on ${tensor.device}`}`;
  } catch {
    return 'tensor';
  }
}
