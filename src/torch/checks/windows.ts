/** Rules for convolutions, pooling and padding: sizes that are walked through, or added up, without a look at them. */
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
    : `'kernel_size' is that of the weight, [${kernel.join(', ')}]`;
});

const LARGEST_OUTPUT = 2 ** 24;

// Rows are walked through even where they are empty.
checkOverloads(/^aten::(adaptive|fractional)_(avg|max)_pool/, (given) => {
  const largest = largestOf(given('output_size'));
  return largest > LARGEST_OUTPUT ? `'output_size' is at most ${LARGEST_OUTPUT}, not ${largest}` : null;
});

const LARGEST_KERNEL = 65_536;

// Every place of the kernel is visited, also those outside a short input.
checkOverloads(/^aten::max_pool1d/, (given) => {
  const largest = largestOf(given('kernel_size'));
  return largest > LARGEST_KERNEL ? `'kernel_size' is at most ${LARGEST_KERNEL}, not ${largest}` : null;
});

const LARGEST_PADDING = 2 ** 40;

// Sums of widths beyond 64 bits wrap, and what is then read lies anywhere.
checkOverloads(/^aten::(replication|reflection)_pad/, (given) => {
  const padding: unknown = given('padding');
  const largest = Math.max(...(Array.isArray(padding) ? padding : [padding]).map((n) => Math.abs(number(n))));
  return largest > LARGEST_PADDING ? `'padding' is at most 2^40, not ${largest}` : null;
});
