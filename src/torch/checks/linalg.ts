/** Rules for decompositions, norms and distances. */
import { checkOverloads } from '../core/checks.js';
import { isComplex } from '../core/dtype.js';
import type { Tensor } from '../core/tensor.js';
import { all } from './given.js';

// Comparisons with NaN make the solver read outside its memory.
checkOverloads(/^aten::linalg_eig(vals)?$/, (given) =>
  all(given('self') as Tensor, 'isfinite', true) ? null : "'self' contains values that are not finite",
);

// If its backward fails (wrong dtype, unpack_data: false), libtorch frees an invalid pointer.
checkOverloads(/^aten::lu_unpack$/, (given) => {
  const { dtype, requiresGrad } = given('LU_data') as Tensor;
  if (!/^(float(32|64)|complex(64|128))$/.test(dtype))
    return `'LU_data' must be float32, float64, complex64 or complex128, not ${dtype}`;
  return requiresGrad && given('unpack_data') === false
    ? "'LU_data' requires gradients, which needs 'unpack_data'; detach it first"
    : null;
});

// The sums are written with the element size of the tensor.
checkOverloads(/^aten::linalg__powsum$/, (given) => {
  const dtype: unknown = given('dtype');
  const self = given('self') as Tensor;
  return typeof dtype === 'string' && isComplex(self) !== dtype.startsWith('complex')
    ? `${self.dtype} cannot be converted to ${dtype} here`
    : null;
});

// The gradient divides by the number of rows.
checkOverloads(/^aten::pdist$/, (given) => {
  const self = given('self') as Tensor;
  return self.requiresGrad && self.ndim === 2 && self.shape[0] === 0
    ? "'self' must have at least one row if it requires a gradient"
    : null;
});

// On the CPU it reads as many elements as the other tensor claims; a tensor without memory can claim any number.
checkOverloads(/^aten::cosine_similarity$/, (given) => {
  const [a, b] = [given('x1') as Tensor, given('x2') as Tensor];
  return a.device === b.device
    ? null
    : `'x1' is on ${a.device}, 'x2' on ${b.device}; they must be on the same device`;
});
