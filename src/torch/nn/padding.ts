import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { spread, tuple } from './sizes.js';
import type { Size } from './sizes.js';

export type Mode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Pads the last dimensions; `padding` is one number, or [left, right, top, bottom, front, back] as far as it goes. */
abstract class Padding extends Module {
  readonly padding: number[];
  readonly #mode: Mode;

  constructor(dims: number, padding: Size, mode: Mode) {
    super();
    this.padding = spread(padding, 2 * dims, `${this.constructor.name}: padding`);
    this.#mode = mode;
  }

  override forward(input: Tensor): Tensor {
    return torch.pad(input, this.padding, this.#mode);
  }

  protected override extraRepr(): string {
    return tuple(this.padding);
  }
}

abstract class ConstantPadding extends Padding {
  readonly value: number;

  constructor(dims: number, padding: Size, value: number) {
    super(dims, padding, 'constant');
    this.value = value;
  }

  override forward(input: Tensor): Tensor {
    return torch.constantPadNd(input, this.padding, this.value);
  }

  protected override extraRepr(): string {
    return `padding=${tuple(this.padding)}, value=${this.value}`;
  }
}

/** Pads [B, C, L] with a number. */
export class ConstantPad1d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(1, padding, value);
  }
}

/** Pads [B, C, H, W] with a number. */
export class ConstantPad2d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(2, padding, value);
  }
}

/** Pads [B, C, D, H, W] with a number. */
export class ConstantPad3d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(3, padding, value);
  }
}

/** Pads [B, C, L] with zeros. */
export class ZeroPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'constant');
  }
}

/** Pads [B, C, H, W] with zeros. */
export class ZeroPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'constant');
  }
}

/** Pads [B, C, D, H, W] with zeros. */
export class ZeroPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'constant');
  }
}

/** Pads [B, C, L] with its reflection at the ends, which are not repeated. */
export class ReflectionPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'reflect');
  }
}

/** Pads [B, C, H, W] with its reflection at the borders, which are not repeated. */
export class ReflectionPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'reflect');
  }
}

/** Pads [B, C, D, H, W] with its reflection at the borders, which are not repeated. */
export class ReflectionPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'reflect');
  }
}

/** Pads [B, C, L] by repeating its ends. */
export class ReplicationPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'replicate');
  }
}

/** Pads [B, C, H, W] by repeating its borders. */
export class ReplicationPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'replicate');
  }
}

/** Pads [B, C, D, H, W] by repeating its borders. */
export class ReplicationPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'replicate');
  }
}

/** Pads [B, C, L] circularly, from the opposite end. */
export class CircularPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'circular');
  }
}

/** Pads [B, C, H, W] circularly, from the opposite side. */
export class CircularPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'circular');
  }
}

/** Pads [B, C, D, H, W] circularly, from the opposite side. */
export class CircularPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'circular');
  }
}

export type { ConstantPadding, Padding };
