/** Rules for operators that change or read memory as something other than what it is: storages, sizes, dtypes, layouts. */
import { checkOverloads } from '../core/checks.js';
import { memoryBudget } from '../core/device.js';
import { itemSize } from '../core/dtype.js';
import type { Tensor } from '../core/tensor.js';
import { number } from './given.js';

// Some gradients that are all zero are but a mark, without a storage that could grow.
checkOverloads(/^aten::resize(_as)?_?$/, (given) => {
  const self = given('self') as Tensor;
  return self.layout === 'strided' && self.device !== 'meta' && self.numel() > 0 && self.storage.address === 0
    ? "'self' has no memory of its own: clone it first"
    : null;
});

// What fails to grow keeps the new shape without the memory for it.
checkOverloads(/^aten::resize(_as)?_?$/, (given) => {
  const self = given('self') as Tensor;
  if (self.device !== 'cpu') return null;
  const shape = given('the_template') ? (given('the_template') as Tensor).shape : (given('size') as number[]);
  const bytes = shape.map(number).reduce((product, one) => product * one, itemSize[self.dtype]);
  return bytes > memoryBudget() ? `${bytes} bytes exceed the memory budget of ${memoryBudget()}` : null;
});

// A storage that cannot grow as far leaves a tensor that reaches beyond it.
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
  return size.includes(0) || last < held ? null : `the last element lies at ${last}, 'source' holds ${held}`;
});

checkOverloads(/^aten::view(_copy)?\.dtype$/, (given) => {
  const { dtype } = given('self') as Tensor;
  return dtype.startsWith('q') && given('dtype') !== dtype
    ? 'a quantized tensor has no other dtype; use intRepr or dequantize'
    : null;
});

// The kernel for zero points between whole numbers has no code for 32 bits.
checkOverloads(/^aten::quantize_per_channel$/, (given) => {
  const { dtype } = given('zero_points') as Tensor;
  return given('dtype') === 'qint32' && /float/.test(dtype)
    ? `'zero_points' of qint32 are integers, not ${dtype}`
    : null;
});

// Between a sparse target and a dense source it calls itself for ever.
checkOverloads(/^aten::copy$/, (given) =>
  (given('self') as Tensor).layout === 'strided' ? null : "'self' is a strided tensor; use toDense first",
);
