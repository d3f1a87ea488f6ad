import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';
import { spread, tuple } from './sizes.js';
import type { Size } from './sizes.js';

export type Mode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Widens the last dimensions; `padding` is one number, or [left, right, top, bottom, front, back] as far as it goes. */
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

/** Fills [B, C, L] up with a number. */
export class ConstantPad1d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(1, padding, value);
  }
}

/** Fills [B, C, H, W] up with a number. */
export class ConstantPad2d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(2, padding, value);
  }
}

/** Fills [B, C, D, H, W] up with a number. */
export class ConstantPad3d extends ConstantPadding {
  constructor(padding: Size, value: number) {
    super(3, padding, value);
  }
}

/** Fills [B, C, L] up with zeros. */
export class ZeroPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'constant');
  }
}

/** Fills [B, C, H, W] up with zeros. */
export class ZeroPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'constant');
  }
}

/** Fills [B, C, D, H, W] up with zeros. */
export class ZeroPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'constant');
  }
}

/** Mirrors [B, C, L] at its ends, which are not repeated. */
export class ReflectionPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'reflect');
  }
}

/** Mirrors [B, C, H, W] at its borders, which are not repeated. */
export class ReflectionPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'reflect');
  }
}

/** Mirrors [B, C, D, H, W] at its borders, which are not repeated. */
export class ReflectionPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'reflect');
  }
}

/** Repeats the ends of [B, C, L]. */
export class ReplicationPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'replicate');
  }
}

/** Repeats the borders of [B, C, H, W]. */
export class ReplicationPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'replicate');
  }
}

/** Repeats the borders of [B, C, D, H, W]. */
export class ReplicationPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'replicate');
  }
}

/** Goes on with the other end of [B, C, L]. */
export class CircularPad1d extends Padding {
  constructor(padding: Size) {
    super(1, padding, 'circular');
  }
}

/** Goes on with the other side of [B, C, H, W]. */
export class CircularPad2d extends Padding {
  constructor(padding: Size) {
    super(2, padding, 'circular');
  }
}

/** Goes on with the other side of [B, C, D, H, W]. */
export class CircularPad3d extends Padding {
  constructor(padding: Size) {
    super(3, padding, 'circular');
  }
}

export type { ConstantPadding, Padding };
