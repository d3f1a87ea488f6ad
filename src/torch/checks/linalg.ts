/** Rules for decompositions, norms and distances. */
import { checkOverloads } from '../core/checks.js';
import { isComplex } from '../core/dtype.js';
import type { Tensor } from '../core/tensor.js';
import { all } from './given.js';

// The solver follows comparisons with nan out of its memory.
checkOverloads(/^aten::linalg_eig(vals)?$/, (given) =>
  all(given('self') as Tensor, 'isfinite', true) ? null : "'self' is not finite everywhere",
);

// An error that its gradient meets, with other dtypes or nothing unpacked, frees memory that is none.
checkOverloads(/^aten::lu_unpack$/, (given) => {
  const { dtype, requiresGrad } = given('LU_data') as Tensor;
  if (!/^(float(32|64)|complex(64|128))$/.test(dtype)) return `there are no decompositions of ${dtype}`;
  return requiresGrad && given('unpack_data') === false
    ? "'LU_data' requires gradients, which need 'unpack_data'; detach it first"
    : null;
});

// The sums are written in the size of the tensor's own elements.
checkOverloads(/^aten::linalg__powsum$/, (given) => {
  const dtype: unknown = given('dtype');
  const self = given('self') as Tensor;
  return typeof dtype === 'string' && isComplex(self) !== dtype.startsWith('complex')
    ? `${self.dtype} does not become ${dtype} here`
    : null;
});

// The gradient divides by the number of rows.
checkOverloads(/^aten::pdist$/, (given) => {
  const self = given('self') as Tensor;
  return self.requiresGrad && self.ndim === 2 && self.shape[0] === 0
    ? "'self' has rows where a gradient is wanted; of none there is no distance"
    : null;
});

// On the CPU it reads as many elements as the other tensor has without memory, which may be any number.
checkOverloads(/^aten::cosine_similarity$/, (given) => {
  const [a, b] = [given('x1') as Tensor, given('x2') as Tensor];
  return a.device === b.device ? null : `'x1' is on ${a.device}, 'x2' on ${b.device}`;
});
