import { acrossCopies } from '../core/across-copies.js';
import { keep } from '../core/scope.js';
import { enterScope, leaveScope, Tensor, transfer } from '../core/tensor.js';

/**
 * A tensor that a module learns: `new Parameter(tensor)`.
 *
 * It shares the given tensor's memory, is a leaf of the autograd graph, stays alive outside every scope and is
 * found by {@link Module.parameters} when it is assigned to a field.
 *
 * @example
 * ```ts
 * const scale = new nn.Parameter(torch.ones([64]));
 * scale.mul(2).sum().backward();
 * console.log(scale.grad?.shape);
 * ```
 */
export class Parameter extends Tensor {
  /**
   * @param data values; the parameter is a new handle on the same memory
   * @param requiresGrad whether backward fills `.grad`; must be false for integer tensors
   */
  constructor(data: Tensor, requiresGrad = true) {
    super(unownedHandle(data));
    keep(this);
    if (requiresGrad) this.requiresGrad_();
  }

  /** The elements as PyTorch prints them, after the words `Parameter containing:`. */
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}

acrossCopies(Parameter, 'Parameter');

// The object that detach makes must not become the handle's owner, as it would outside every scope: the parameter
// is about to. Inside a scope nothing made has an object for owner, so detach runs as if there were one.
function unownedHandle(data: Tensor): number {
  enterScope();
  try {
    return transfer(data.detach());
  } finally {
    leaveScope();
  }
}
