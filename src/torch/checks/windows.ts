/** Rules for convolutions, pooling and padding: sizes that libtorch loops over or adds up without checking them. */
import { checkOverloads } from '../core/checks.js';
import type { Tensor } from '../core/tensor.js';
import { largestOf, number } from './given.js';

// The kernel's size is taken from the argument, its elements from the weight.
checkOverloads(/^aten::(slow_conv|conv_depthwise3d|thnn_conv)/, (given) => {
  const size: unknown = given('kernel_size');
  const [, , ...kernel] = (given('weight') as Tensor).shape;
  const sizes = Array.isArray(size) ? size.map(number) : kernel.map(() => number(size));
  return kernel.length > 0 && sizes.length === kernel.length && sizes.every((one, i) => one === kernel[i])
    ? null
    : `'kernel_size' must be that of the weight, [${kernel.join(', ')}]`;
});

const LARGEST_OUTPUT = 2 ** 24;

// Rows are iterated over even if they are empty.
checkOverloads(/^aten::(adaptive|fractional)_(avg|max)_pool/, (given) => {
  const largest = largestOf(given('output_size'));
  return largest > LARGEST_OUTPUT ? `'output_size' must be at most ${LARGEST_OUTPUT}, not ${largest}` : null;
});

const LARGEST_KERNEL = 65_536;

// Every position of the kernel is visited, even outside a short input.
checkOverloads(/^aten::max_pool1d/, (given) => {
  const largest = largestOf(given('kernel_size'));
  return largest > LARGEST_KERNEL ? `'kernel_size' must be at most ${LARGEST_KERNEL}, not ${largest}` : null;
});

const LARGEST_PADDING = 2 ** 40;

// Sums of widths beyond 64 bits wrap, and libtorch then reads arbitrary memory.
checkOverloads(/^aten::(replication|reflection)_pad/, (given) => {
  const padding: unknown = given('padding');
  const largest = Math.max(...(Array.isArray(padding) ? padding : [padding]).map((n) => Math.abs(number(n))));
  return largest > LARGEST_PADDING ? `'padding' must be at most 2^40, not ${largest}` : null;
});
