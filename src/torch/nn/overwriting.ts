import { Module } from './module.js';

export interface InplaceOptions {
  /** Overwrite the input instead of making a new tensor. Default false. */
  inplace?: boolean;
}

/** Base class of activations that can overwrite their input. */
export abstract class Overwriting extends Module {
  readonly inplace: boolean;

  constructor({ inplace = false }: InplaceOptions = {}) {
    super();
    this.inplace = inplace;
  }

  protected override extraRepr(): string {
    return this.inplace ? 'inplace=True' : '';
  }

  /** Returns the settings and, if set, `inplace`. */
  protected withInplace(settings: string): string {
    return this.inplace ? `${settings}, inplace=True` : settings;
  }
}
