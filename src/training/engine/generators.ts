import * as torch from '../../torch/index.js';

/** Runs `fn` and restores the default generators, so that measurements and previews do not affect training. */
export function keepingGenerators<T>(device: torch.Device, fn: () => T): T {
  return torch.scope(() => {
    const restore = rememberGenerators(device);
    try {
      return fn();
    } finally {
      restore();
    }
  });
}

/** Returns a function that sets the default generators to their present states, which belong to the current scope. */
export function rememberGenerators(device: torch.Device): () => void {
  const generators = [...new Set<torch.Device>(['cpu', device])].map((name) => torch.defaultGenerator(name));
  const states = generators.map((generator) => generator.getState());
  return () => generators.forEach((generator, i) => generator.setState(states[i]!));
}
