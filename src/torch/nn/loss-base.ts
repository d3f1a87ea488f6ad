import type { Tensor } from '../index.js';
import { Module } from './module.js';

/** A loss whose settings are one object. */
export abstract class Loss<Options extends object> extends Module {
  readonly options: Options;

  constructor(options: Options = {} as Options) {
    super();
    this.options = options;
  }
}

/** A loss with a weight for each class or element, which is a buffer and moves with the module. */
export abstract class WeightedLoss<Options extends { weight?: Tensor | null }> extends Loss<Options> {
  declare weight: Tensor | null;

  constructor(options: Options = {} as Options) {
    super(options);
    this.registerBuffer('weight', options.weight ?? null);
  }
}
