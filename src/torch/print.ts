import { callOperator } from './operator.js';
import { ComplexScalar } from './scalar.js';
import type { Tensor } from './tensor.js';

const EDGE = 3;
const THRESHOLD = 1000;

/** A tensor as text: its elements, with the middle left out where there are many, and what is not the default. */
export function format(tensor: Tensor): string {
  const { shape, dtype, device } = tensor;
  const notes: string[] = [];
  const usual = ['float32', 'int64', 'bool', 'complex64'].includes(dtype);
  if (tensor.numel() === 0) notes.push(`size=[${shape.join(', ')}]`);
  if (device !== 'cpu') notes.push(`device='${device}'`);
  if (!usual) notes.push(`dtype=${dtype}`);
  if (tensor.requiresGrad) notes.push('requiresGrad=true');
  const body = device === 'meta' ? '...' : elements(tensor);
  return `tensor(${[body, ...notes].join(', ')})`;
}

function elements(tensor: Tensor): string {
  if (tensor.numel() === 0) return '[]';
  const summarize = tensor.numel() > THRESHOLD;
  const part = summarize ? edges(tensor) : tensor.detach();
  const list = part.tolist();
  const integral = !/float/.test(tensor.dtype) && !/complex/.test(tensor.dtype);
  const cells: string[] = [];
  visit(list, (value) => cells.push(cell(value, integral)));
  const width = Math.max(1, ...cells.map((text) => text.length));
  let next = 0;
  const draw = (value: unknown, indent: number, dimension: number): string => {
    if (!Array.isArray(value)) return cells[next++]!.padStart(tensor.ndim === 0 ? 0 : width);
    const parts = value.map((one) => draw(one, indent + 1, dimension + 1));
    if (summarize && tensor.shape[dimension]! > 2 * EDGE) parts.splice(EDGE, 0, '...');
    const leaf = dimension === tensor.ndim - 1;
    const gap = '\n'.repeat(tensor.ndim - dimension - 1) + ' '.repeat(indent + 1);
    return `[${parts.join(leaf ? ', ' : `,${gap}`)}]`;
  };
  return draw(list, 'tensor('.length, 0);
}

/** The first and last rows of every long dimension. */
function edges(tensor: Tensor): Tensor {
  let part = tensor.detach();
  tensor.shape.forEach((size, dimension) => {
    if (size <= 2 * EDGE) return;
    const first = part.narrow(dimension, 0, EDGE);
    const last = part.narrow(dimension, size - EDGE, EDGE);
    part = callOperator('aten::cat', '', [[first, last], dimension]) as Tensor;
  });
  return part;
}

function visit(value: unknown, leaf: (value: unknown) => void): void {
  if (Array.isArray(value)) for (const one of value) visit(one, leaf);
  else leaf(value);
}

function cell(value: unknown, integral: boolean): string {
  if (value instanceof ComplexScalar)
    return `${value.re.toFixed(4)}${value.im < 0 ? '-' : '+'}${Math.abs(value.im).toFixed(4)}j`;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  const number = value as number;
  if (integral) return String(number);
  if (!Number.isFinite(number)) return Number.isNaN(number) ? 'nan' : number > 0 ? 'inf' : '-inf';
  const size = Math.abs(number);
  return size !== 0 && (size >= 1e5 || size < 1e-4) ? number.toExponential(4) : number.toFixed(4);
}
