import type * as nn from '../../torch/nn/index.js';
import type { Tensor } from '../../torch/index.js';

/** Returns the names of parameters in a network. */
export function namesIn(network: nn.Module, parameters: readonly Tensor[]): string[] {
  const names = new Map<Tensor, string>(
    network.namedParameters().map(([name, parameter]) => [parameter, name]),
  );
  return parameters.map((parameter) => names.get(parameter) ?? 'a parameter');
}
