import * as torch from '../../torch/index.js';

/** Runs `fn` and restores the default generators: what is measured or shown changes no training. */
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
