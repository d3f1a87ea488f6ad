import * as torch from '../../../src/torch/index.js';
import type { Call } from './call.js';

/** A call as text: tensors by dtype, shape, layout, and values where there are few. */
export function describeCall({ target, args }: Call): string {
  return `${target.name}(${args.map((value) => text(value, 0)).join(', ')})\n    ${target.schema.text}`;
}

function text(value: unknown, depth: number): string {
  if (value instanceof torch.Tensor) return tensorText(value);
  if (Array.isArray(value) && depth < 3)
    return `[${value
      .slice(0, 10)
      .map((one) => text(one, depth + 1))
      .join(', ')}${value.length > 10 ? `, … ${value.length}` : ''}]`;
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof torch.FloatScalar) return `floatScalar(${value.value})`;
  if (value instanceof torch.ComplexScalar) return `complexScalar(${value.re}, ${value.im})`;
  if (
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    depth < 3
  )
    return `{ ${Object.entries(value)
      .map(([key, one]) => `${key}: ${text(one, depth + 1)}`)
      .join(', ')} }`;
  return typeof value === 'string' ? JSON.stringify(value) : torch.describe(value);
}

function tensorText(tensor: torch.Tensor): string {
  if (tensor.disposed) return 'disposed';
  try {
    const notes = [`${tensor.dtype}[${tensor.shape.join(', ')}]`];
    if (tensor.layout !== 'strided') notes.push(tensor.layout);
    if (tensor.device !== 'cpu') notes.push(tensor.device);
    notes.push(`strides [${tensor.strides.join(', ')}]`);
    if (tensor.requiresGrad) notes.push('requires grad');
    let values = '';
    if (tensor.numel() <= 40)
      try {
        values = ` = ${JSON.stringify(tensor.tolist())}`;
      } catch (error) {
        values = ` (${(error as Error).message.slice(0, 60)})`;
      }
    return `<${notes.join(' ')}${values}>`;
  } catch {
    return '<tensor without description>';
  }
}
