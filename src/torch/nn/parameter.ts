import { acrossCopies } from '../core/across-copies.js';
import { keep } from '../core/scope.js';
import { enterScope, leaveScope, Tensor, transfer } from '../core/tensor.js';

/**
 * A trained tensor of a module: `new Parameter(tensor)`.
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
   * @param requiresGrad true if backward fills `.grad`; must be false for integer tensors
   */
  constructor(data: Tensor, requiresGrad = true) {
    super(unownedHandle(data));
    keep(this);
    if (requiresGrad) this.requiresGrad_();
  }

  /** Formats the elements as PyTorch prints them, after `Parameter containing:`. */
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}

acrossCopies(Parameter, 'Parameter');

// The object that detach creates must not become the handle's owner, as it would outside all scopes: the parameter will
// be. Inside a scope new tensors have no owning object, so detach runs inside one.
function unownedHandle(data: Tensor): number {
  enterScope();
  try {
    return transfer(data.detach());
  } finally {
    leaveScope();
  }
}
