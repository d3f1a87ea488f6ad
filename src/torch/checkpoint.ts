import { autocast, autocastDType } from './autocast.js';
import { enableGrad, grad, isGradEnabled } from './core/autograd.js';
import { customFunction } from './custom-function.js';
import { ArgumentError } from './core/errors.js';
import { defaultGenerator } from './core/random.js';
import { Tensor } from './core/tensor.js';

/**
 * Calls `fn` without keeping the intermediate results for backward: backward calls it a second time instead. Saves
 * memory at the cost of one more forward pass (arXiv 1604.06174).
 *
 * The second call sees the same random numbers as the first, those of the default generators of the CPU and of the inputs'
 * devices, and the same autocast. `parameters` are the tensors besides the inputs that `fn`
 * uses and that are to be trained: this function returns their gradients, so it has to know them.
 * @param fn from the inputs to one tensor
 * @param parameters such as `module.parameters()`
 *
 * @example
 * ```ts
 * const block = new nn.Sequential(new nn.Linear(8, 64), new nn.GELU(), new nn.Linear(64, 8));
 * const x = torch.randn([4, 8]);
 * const y = torch.checkpoint((x) => block.forward(x), [x], block.parameters()); // [4, 8]
 * ```
 */
export function checkpoint(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  parameters: readonly Tensor[] = [],
): Tensor {
  if (!isGradEnabled()) return fn(...inputs);
  const count = inputs.length;
  const devices = new Set(['cpu', ...inputs.map(({ device }) => device)]);
  const generators = [...devices].map((device) => defaultGenerator(device));
  const statesNow = () => generators.map((generator) => generator.getState());
  const goTo = (states: readonly Tensor[]) =>
    generators.forEach((generator, i) => generator.setState(states[i]!));
  const again = autocasting([...devices]);
  const recomputed = customFunction({
    name: 'checkpoint',
    forward(context, ...tensors: Tensor[]) {
      context.saveForBackward(...statesNow(), ...tensors.slice(0, count));
      const result = fn(...tensors.slice(0, count));
      if (!(result instanceof Tensor))
        throw new ArgumentError('checkpoint: the function must return one tensor');
      return result;
    },
    backward({ savedTensors, needsInputGrad }, gradient) {
      const saved = savedTensors.slice(generators.length);
      const now = statesNow();
      goTo(savedTensors);
      const given = saved.map((tensor, i) => tensor.detach().requiresGrad_(needsInputGrad[i]));
      const output = enableGrad(() => again(() => fn(...given)));
      goTo(now);
      const wanted = [...given, ...parameters];
      const tracked = wanted.filter((tensor) => tensor.requiresGrad);
      const gradients = grad([output], tracked, { gradOutputs: [gradient], allowUnused: true });
      return wanted.map((tensor) => (tensor.requiresGrad ? gradients[tracked.indexOf(tensor)]! : null));
    },
  });
  return recomputed(...inputs, ...parameters);
}

/** Returns a function that calls another one under the autocast that the devices have now. */
function autocasting(devices: readonly string[]): <T>(fn: () => T) => T {
  const types = [...new Set(devices.map((device) => device.replace(/:.*/, '')))];
  const before = types
    .filter((type) => type === 'cpu' || type === 'cuda')
    .map((type) => [type, autocastDType(type)] as const);
  return (fn) =>
    before.reduce<typeof fn>((inner, [type, dtype]) => {
      if (autocastDType(type) === dtype) return inner;
      return () => autocast(type, dtype ? { dtype } : { enabled: false }, inner);
    }, fn)();
}
