import * as torch from '../../torch/index.js';

/** Runs `fn` and restores the default generators, so that measurements and previews do not affect training. */
export function keepingGenerators<T>(device: torch.Device, fn: () => T): T {
  const generators = [...new Set<torch.Device>(['cpu', device])].map((name) => torch.defaultGenerator(name));
  return torch.scope(() => {
    const states = generators.map((generator) => generator.getState());
    try {
      return fn();
    } finally {
      generators.forEach((generator, i) => generator.setState(states[i]!));
    }
  });
}
