/** Rules for operators that change memory or reinterpret it: storages, sizes, dtypes, layouts. */
import { checkOverloads } from '../core/checks.js';
import { memoryBudget } from '../core/device.js';
import { itemSize } from '../core/dtype.js';
import type { Tensor } from '../core/tensor.js';
import { number } from './given.js';

// Some all-zero gradients are placeholders without a storage, which cannot grow.
checkOverloads(/^aten::resize(_as)?_?$/, (given) => {
  const self = given('self') as Tensor;
  return self.layout === 'strided' && self.device !== 'meta' && self.numel() > 0 && self.storage.address === 0
    ? "'self' has no memory: clone it first"
    : null;
});

// If the storage cannot grow, the tensor keeps the new shape without enough memory.
checkOverloads(/^aten::resize(_as)?_?$/, (given) => {
  const self = given('self') as Tensor;
  if (self.device !== 'cpu') return null;
  const shape = given('the_template') ? (given('the_template') as Tensor).shape : (given('size') as number[]);
  const bytes = shape.map(number).reduce((product, one) => product * one, itemSize[self.dtype]);
  return bytes > memoryBudget() ? `${bytes} bytes exceed the memory budget of ${memoryBudget()}` : null;
});

// If the storage cannot grow as far, the tensor reaches beyond it.
checkOverloads(/^aten::set_?\.source_Tensor_storage_offset$/, (given) => {
  const source = given('source') as Tensor;
  const size = (given('size') as readonly unknown[]).map(number);
  const ownStrides = (given('stride') ?? []) as readonly unknown[];
  const strides = size.map((_, i) =>
    ownStrides.length > 0
      ? number(ownStrides[i])
      : size.slice(i + 1).reduce((product, one) => product * Math.max(1, one), 1),
  );
  const last = size.reduce((sum, one, i) => sum + (one - 1) * strides[i]!, number(given('storage_offset')));
  const held = source.storage.bytes / itemSize[source.dtype];
  return size.includes(0) || last < held
    ? null
    : `the last element is at index ${last}, but 'source' holds ${held} elements`;
});

checkOverloads(/^aten::view(_copy)?\.dtype$/, (given) => {
  const { dtype } = given('self') as Tensor;
  return dtype.startsWith('q') && given('dtype') !== dtype
    ? 'a quantized tensor cannot be viewed as another dtype; use intRepr or dequantize'
    : null;
});

// The kernel for fractional zero points has no 32-bit version.
checkOverloads(/^aten::quantize_per_channel$/, (given) => {
  const { dtype } = given('zero_points') as Tensor;
  return given('dtype') === 'qint32' && /float/.test(dtype)
    ? `'zero_points' of qint32 must be integers, not ${dtype}`
    : null;
});

// Between a sparse target and a dense source it recurses forever.
checkOverloads(/^aten::copy$/, (given) =>
  (given('self') as Tensor).layout === 'strided'
    ? null
    : "'self' must be a strided tensor; use toDense first",
);
