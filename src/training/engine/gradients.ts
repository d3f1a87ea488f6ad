import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Runs `fn` with `requiresGrad` off for the parameters; restores each afterwards. */
export function withFrozen<T>(parameters: readonly Tensor[], fn: () => T): T {
  const trained = parameters.filter((parameter) => parameter.requiresGrad);
  for (const parameter of trained) parameter.requiresGrad_(false);
  try {
    return fn();
  } finally {
    for (const parameter of trained) parameter.requiresGrad_(true);
  }
}

/** Sets gradients to zero. Unlike missing gradients, they update an optimizer's moments and step counter. */
export function zeroGradients(parameters: readonly Tensor[]): void {
  for (const parameter of parameters) {
    if (parameter.requiresGrad) parameter.grad = torch.zerosLike(parameter.detach());
  }
}
