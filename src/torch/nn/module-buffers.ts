import * as torch from '../index.js';
import type { Tensor } from '../index.js';

/** A tensor of a module that is not trained. */
export interface Buffer {
  tensor: Tensor | null;
  /** True if it is in the state dict. */
  readonly persistent: boolean;
}

/** Defines a field of `module` that keeps the tensors assigned to it alive outside scopes, and returns its value. */
export function bufferField(
  module: object,
  name: string,
  tensor: Tensor | null,
  persistent: boolean,
): Buffer {
  if (name === '' || name.includes('.')) {
    throw new torch.ArgumentError(
      `a buffer's name must be a field name without dots, not ${JSON.stringify(name)}`,
    );
  }
  const kept = (value: Tensor | null): Tensor | null => (value === null ? null : torch.keep(value));
  const buffer: Buffer = { tensor: kept(tensor), persistent };
  Object.defineProperty(module, name, {
    get: () => buffer.tensor,
    set: (value: Tensor | null) => {
      buffer.tensor = kept(value);
    },
    enumerable: true,
    configurable: true,
  });
  return buffer;
}
