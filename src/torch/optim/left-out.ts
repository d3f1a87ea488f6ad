import { NotImplementedError } from '../core/errors.js';

/** Stands for an optimizer of torch.optim that is left out: making one throws, with what to use in its place. */
export abstract class LeftOut {
  constructor(instead: string) {
    throw new NotImplementedError(`optim.${this.constructor.name} is not part of this library: ${instead}`);
  }
}

/** Left out: making one throws NotImplementedError. Use `Adam` or `Rprop`. */
export class LBFGS extends LeftOut {
  constructor(..._args: unknown[]) {
    super(
      'its steps call the model again and again and wait for the device each time. Use Adam, or Rprop for whole batches',
    );
  }
}

/** Left out: making one throws NotImplementedError. Use `Adam`. */
export class SparseAdam extends LeftOut {
  constructor(..._args: unknown[]) {
    super('gradients of embeddings are dense here. Use Adam');
  }
}

/** Left out: making one throws NotImplementedError. Use `AdamW`. */
export class Adafactor extends LeftOut {
  constructor(..._args: unknown[]) {
    super('use AdamW, whose two moments take twice the memory of the weights');
  }
}

/** Left out: making one throws NotImplementedError. Use `AdamW`. */
export class Muon extends LeftOut {
  constructor(..._args: unknown[]) {
    super('use AdamW');
  }
}
