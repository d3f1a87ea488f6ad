import { dtypeName, type DType } from './core/dtype.js';
import { callOperator } from './core/dispatch.js';
import type { Scalar } from './core/scalar.js';
import { Tensor } from './core/tensor.js';

/**
 * Returns the dtype that holds values of both dtypes: PyTorch's `torch.promote_types`.
 * @throws ArgumentError for an unknown dtype
 */
export function promoteTypes(a: DType, b: DType): DType {
  return dtypeName(callOperator('aten::promote_types', '', [a, b]) as number);
}

/**
 * Returns the dtype of the result of arithmetic between two tensors, a tensor and a number, or two numbers: PyTorch's
 * `torch.result_type`. A number changes a tensor's dtype only if it is of a higher kind (a fraction with integers).
 * @throws ArgumentError for other values
 */
export function resultType(a: Tensor | Scalar, b: Tensor | Scalar): DType {
  const [first, second] = [a, b].map((value) => (value instanceof Tensor ? 'Tensor' : 'Scalar'));
  const overload = first === 'Scalar' ? `Scalar_${second}` : second;
  return dtypeName(callOperator('aten::result_type', overload, [a, b]) as number);
}
