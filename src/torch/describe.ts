import { Tensor } from './tensor.js';

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
  return (value as number | boolean | bigint).toString();
}
