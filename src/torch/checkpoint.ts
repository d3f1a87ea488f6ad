import { enableGrad, grad, isGradEnabled } from './core/autograd.js';
import { customFunction } from './custom-function.js';
import { ArgumentError } from './core/errors.js';
import { defaultGenerator } from './core/random.js';
import { Tensor } from './core/tensor.js';

/**
 * Calls `fn` without keeping what its backward needs: backward calls it a second time instead. Saves memory in exchange
 * for one more forward (arXiv 1604.06174).
 *
 * Random numbers of the second call are those of the first. `parameters` are the tensors besides the inputs that
 * `fn` learns: their gradients are given by this function, so that nothing else need be known about them.
 * @param fn from the inputs to one tensor
 * @param parameters such as `module.parameters()`
 */
export function checkpoint(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  parameters: readonly Tensor[] = [],
): Tensor {
  if (!isGradEnabled()) return fn(...inputs);
  const count = inputs.length;
  const generator = defaultGenerator();
  const recomputed = customFunction({
    name: 'checkpoint',
    forward(context, ...tensors: Tensor[]) {
      context.saveForBackward(generator.getState(), ...tensors.slice(0, count));
      const result = fn(...tensors.slice(0, count));
      if (!(result instanceof Tensor)) throw new ArgumentError('checkpoint: the function returns one tensor');
      return result;
    },
    backward({ savedTensors: [state, ...saved], needsInputGrad }, gradient) {
      const now = generator.getState();
      generator.setState(state!);
      const again = saved.map((tensor, i) => tensor.detach().requiresGrad_(needsInputGrad[i]));
      const output = enableGrad(() => fn(...again));
      generator.setState(now);
      const wanted = [...again, ...parameters];
      const tracked = wanted.filter((tensor) => tensor.requiresGrad);
      const gradients = grad([output], tracked, { gradOutputs: [gradient], allowUnused: true });
      return wanted.map((tensor) => (tensor.requiresGrad ? gradients[tracked.indexOf(tensor)]! : null));
    },
  });
  return recomputed(...inputs, ...parameters);
}
