import { keep, noGrad, Tensor } from '../index.js';

/**
 * A tensor that a module learns: `new Parameter(tensor)`.
 *
 * It shares the given tensor's memory, is a leaf of the autograd graph, stays alive outside every scope and is
 * found by {@link Module.parameters} when it is assigned to a field.
 */
export class Parameter extends Tensor {
  /**
   * @param data values; the parameter is a new handle on the same memory
   * @param requiresGrad whether backward fills `.grad`; must be false for integer tensors
   */
  constructor(data: Tensor, requiresGrad = true) {
    super(data);
    void noGrad;
    keep(this);
    this.requiresGrad_(requiresGrad);
  }
}
