/** Rules for counts that libtorch loops over, however large or meaningless they are. */
import { checkOverloads, type Rule } from '../core/checks.js';
import { scope } from '../core/scope.js';
import { Tensor } from '../core/tensor.js';
import { all, number, scalarValue } from './given.js';

const MOST_OUTPUTS = 1_000_000;

/** Limits lists of millions of tensors, which would run out of handles after minutes. */
const outputs =
  (name: string): Rule =>
  (given) =>
    number(given(name)) > MOST_OUTPUTS
      ? `at most ${MOST_OUTPUTS} parts are allowed, not ${given(name)}`
      : null;

checkOverloads(/^aten::([hvd]split\.int|tensor_split\.sections)$/, outputs('sections'));
checkOverloads(/^aten::(unsafe_)?chunk$/, outputs('chunks'));

// The same check for splits along a dimension; a meta or expanded tensor can claim any size.
checkOverloads(/^aten::((unsafe_)?split(_copy)?\.Tensor|unbind(_copy)?\.int)$/, (given) => {
  const self = given('self') as Tensor;
  const parts =
    (self.shape.at(number(given('dim') ?? 0)) ?? 0) / Math.max(1, number(given('split_size') ?? 1));
  return parts > MOST_OUTPUTS ? `at most ${MOST_OUTPUTS} parts are allowed, not ${Math.ceil(parts)}` : null;
});

const LARGEST = 2 ** 53;

// Rounded to the tensor's dtype the bound may exceed 64 bits: libtorch then loops forever.
checkOverloads(/^aten::random_?(\.|$)/, (given) => {
  for (const name of ['from', 'to']) {
    const value: unknown = given(name);
    if ((typeof value === 'number' || typeof value === 'bigint') && Math.abs(Number(value)) > LARGEST)
      return `'${name}' must be between -2^53 and 2^53, not ${value}`;
  }
  return null;
});

// A NaN trial count loops forever.
checkOverloads(/^aten::binomial$/, (given) => {
  const wrong = ['count', 'prob'].find((name) => !all(given(name) as Tensor, 'isnan', false));
  return wrong ? `'${wrong}' contains NaN` : null;
});

const LARGEST_DEGREE = 65_536;

function largestElement(tensor: Tensor): number {
  if (tensor.numel() === 0 || tensor.device === 'meta') return 0;
  return scope(() => {
    const ends = tensor.detach().reshape([-1]).to('float64').aminmax();
    return Math.max(...ends.map((end) => end.item()));
  });
}

// The recurrence runs up to the degree, for each element.
checkOverloads(/^aten::special_\w+_polynomial_/, (given) => {
  const n: unknown = given('n');
  const value = n instanceof Tensor ? largestElement(n) : scalarValue(n);
  return value > LARGEST_DEGREE ? `the degree must be at most ${LARGEST_DEGREE}, not ${value}` : null;
});

// The smallest integer has no positive counterpart, and libtorch halves it forever.
checkOverloads(/^aten::(linalg_)?matrix_power$/, (given) => {
  const n = number(given('n'));
  return Math.abs(n) > LARGEST ? `'n' must be between -2^53 and 2^53, not ${n}` : null;
});

// The step is rounded to the dtype and then used as a divisor.
checkOverloads(/^aten::range/, (given) => {
  const dtype: unknown = given('dtype');
  const step: unknown = given('step') ?? 1;
  const fraction = typeof step === 'number' && Math.abs(step) < 1;
  return fraction && typeof dtype === 'string' && /^u?int|^bool/.test(dtype)
    ? `step ${step} rounds to 0 in ${dtype}`
    : null;
});
