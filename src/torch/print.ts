import { isComplex, isFloatingPoint, type DType, type TypedArray } from './core/dtype.js';
import { callOperator } from './core/dispatch.js';
import { compressedIndices } from './core/layout.js';
import { floatFormat, integerFormat, type NumberFormat } from './print-numbers.js';
import type { Tensor } from './core/tensor.js';

// PyTorch's defaults.
const EDGE = 3;
const THRESHOLD = 1000;
const LINE = 80;

const PREFIX = 'tensor(';
const USUAL: readonly DType[] = ['float32', 'int64', 'bool', 'complex64'];

/** Formats a tensor as Python's PyTorch prints it. */
export function format(tensor: Tensor): string {
  const { layout } = tensor;
  const indent = PREFIX.length;
  const notes: string[] = [];
  let body: string;
  if (tensor.device !== 'cpu') notes.push(`device='${tensor.device}'`);
  if (layout !== 'strided' && layout !== 'mkldnn') {
    body = sparseParts(tensor, indent);
    notes.push(`size=${size(tensor)}`, `nnz=${String(stored(tensor))}`, ...dtypeNote(tensor));
  } else if (tensor.device === 'meta') {
    body = '...';
    notes.push(`size=${size(tensor)}`, ...dtypeNote(tensor, ['float32']));
  } else if (tensor.numel() === 0) {
    body = '[]';
    if (tensor.ndim !== 1) notes.push(`size=${size(tensor)}`);
    notes.push(...dtypeNote(tensor, ['float32']));
  } else {
    body = elements(tensor, indent);
    notes.push(...dtypeNote(tensor));
  }
  if (layout !== 'strided') notes.push(`layout=torch.${layout === 'mkldnn' ? '_mkldnn' : layout}`);
  if (tensor.requiresGrad) {
    const { gradFn } = tensor;
    notes.push(gradFn === null ? 'requires_grad=True' : `grad_fn=<${gradFn}>`);
  }
  return withNotes(PREFIX + body, notes, indent, layout === 'sparse_coo');
}

function size({ shape }: Tensor): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}

/** Notes the dtype unless it is the one that PyTorch would give such elements, or float32 if there are none to see. */
function dtypeNote({ dtype }: Tensor, usual: readonly DType[] = USUAL): string[] {
  return usual.includes(dtype) ? [] : [`dtype=torch.${dtype}`];
}

/** Appends notes after the elements, on a new line if they would exceed the line width. */
function withNotes(text: string, notes: readonly string[], indent: number, newLine: boolean): string {
  let length = text.length - text.lastIndexOf('\n') + 1;
  let result = text;
  let breaks = newLine;
  for (const note of notes) {
    if (breaks || length + note.length + 2 > LINE) {
      result += `,\n${' '.repeat(indent)}${note}`;
      length = indent + note.length;
      breaks = false;
    } else {
      result += `, ${note}`;
      length += note.length + 2;
    }
  }
  return `${result})`;
}

function stored(tensor: Tensor): unknown {
  return callOperator('aten::_nnz', '', [tensor]);
}

function sparseParts(tensor: Tensor, indent: number): string {
  const plain = tensor.detach();
  const indices = compressedIndices[tensor.layout];
  const names = indices ? [...indices, 'values'] : ['_indices', '_values'];
  const parts = names.map((name) => {
    const part = callOperator(`aten::${name}`, '', [plain]) as Tensor;
    const opening = `${name.replace('_', name.startsWith('_') ? '' : '_')}=${PREFIX}`;
    const body = part.numel() === 0 ? `[], size=${size(part)}` : elements(part, indent + opening.length);
    return `${opening}${body})`;
  });
  return parts.join(`,\n${' '.repeat(indent)}`);
}

type Value = number | bigint | boolean;

/** The format of an element, and the number of columns it takes. */
interface ElementFormat {
  width: number;
  format(index: number): string;
}

function elements(tensor: Tensor, indent: number): string {
  const summarized = tensor.numel() > THRESHOLD;
  const part = summarized ? edges(tensor) : tensor.detach();
  const { width, format: element } = elementFormat(part);
  const { shape } = tensor;
  let next = 0;
  const draw = (dimension: number, left: number): string => {
    if (dimension === shape.length) return element(next++);
    const count = part.shape[dimension]!;
    const cut = summarized && shape[dimension]! > 2 * EDGE;
    const inner = Array.from({ length: count }, () => draw(dimension + 1, left + 1));
    if (dimension === shape.length - 1) {
      if (cut) inner.splice(EDGE, 0, ' ...');
      return row(inner, width, left);
    }
    if (cut) inner.splice(EDGE, 0, '...');
    return `[${inner.join(`,${'\n'.repeat(shape.length - dimension - 1)}${' '.repeat(left + 1)}`)}]`;
  };
  return draw(0, indent);
}

/** Formats the last dimension: as many elements per line as fit. */
function row(texts: readonly string[], width: number, left: number): string {
  const perLine = Math.max(1, Math.floor((LINE - left) / (width + 2)));
  const lines: string[] = [];
  for (let i = 0; i < texts.length; i += perLine) lines.push(texts.slice(i, i + perLine).join(', '));
  return `[${lines.join(`,\n${' '.repeat(left + 1)}`)}]`;
}

function elementFormat(part: Tensor): ElementFormat {
  const { dtype } = part;
  if (isComplex(dtype)) return complexFormat(wide(part, 'complex128').toTypedArray() as Float64Array);
  let values: Value[];
  let numbers: NumberFormat;
  if (isFloatingPoint(dtype)) {
    const floats = wide(part, 'float64').toTypedArray() as Float64Array;
    values = Array.from(floats);
    numbers = floatFormat(floats);
  } else {
    const plain: TypedArray = part.toTypedArray();
    values = dtype === 'bool' ? Array.from(plain, Boolean) : Array.from<number | bigint>(plain as Int32Array);
    numbers = integerFormat(values);
  }
  // A number without dimensions stands alone: there is nothing to align it with.
  const alone = part.ndim === 0;
  return {
    width: numbers.width,
    format: (index) => (alone ? numbers.format(values[index]!).trimStart() : numbers.format(values[index]!)),
  };
}

/** Converts to a type that holds every value exactly. */
function wide(part: Tensor, dtype: DType): Tensor {
  // complex32 converts only to complex64.
  return (part.dtype === 'complex32' ? part.to('complex64') : part).to(dtype);
}

function complexFormat(interleaved: Float64Array): ElementFormat {
  const real = floatFormat(interleaved.filter((_, i) => i % 2 === 0));
  const imaginary = floatFormat(interleaved.filter((_, i) => i % 2 === 1));
  return {
    width: real.width + imaginary.width + 1,
    format: (index) => {
      const im = `${imaginary.format(interleaved[2 * index + 1]!)}j`.trimStart();
      return `${real.format(interleaved[2 * index]!)}${/^[-+]/.test(im) ? '' : '+'}${im}`;
    },
  };
}

/** Keeps the first and last rows of every long dimension. */
function edges(tensor: Tensor): Tensor {
  let part = tensor.detach();
  tensor.shape.forEach((length, dimension) => {
    if (length <= 2 * EDGE) return;
    const first = part.narrow(dimension, 0, EDGE);
    const last = part.narrow(dimension, length - EDGE, EDGE);
    part = callOperator('aten::cat', '', [[first, last], dimension]) as Tensor;
  });
  return part;
}
