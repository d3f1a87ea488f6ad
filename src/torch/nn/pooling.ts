import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { pair } from './convolution.js';
import type { Size2 } from './convolution.js';
import { interpolate } from './functional.js';
import type { InterpolateOptions } from './functional.js';
import { Module } from './module.js';

export interface PoolOptions {
  /** Default: the kernel's size. */
  stride?: Size2;
  /** Default 0. */
  padding?: Size2;
  /** Round output sizes up. Default false. */
  ceilMode?: boolean;
}

/** Largest value of each window of [B, C, H, W]. */
export class MaxPool2d extends Module {
  readonly kernelSize: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number];
  readonly dilation: [number, number];
  readonly ceilMode: boolean;

  constructor(kernelSize: Size2, options: PoolOptions & { dilation?: Size2 } = {}) {
    super();
    this.kernelSize = pair(kernelSize);
    this.stride = pair(options.stride ?? kernelSize);
    this.padding = pair(options.padding ?? 0);
    this.dilation = pair(options.dilation ?? 1);
    this.ceilMode = options.ceilMode ?? false;
  }

  override forward(input: Tensor): Tensor {
    return torch.maxPool2d(input, this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }
}

/** Mean of each window of [B, C, H, W]. */
export class AvgPool2d extends Module {
  readonly kernelSize: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number];
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;

  constructor(kernelSize: Size2, options: PoolOptions & { countIncludePad?: boolean } = {}) {
    super();
    this.kernelSize = pair(kernelSize);
    this.stride = pair(options.stride ?? kernelSize);
    this.padding = pair(options.padding ?? 0);
    this.ceilMode = options.ceilMode ?? false;
    this.countIncludePad = options.countIncludePad ?? true;
  }

  override forward(input: Tensor): Tensor {
    return torch.avgPool2d(
      input,
      this.kernelSize,
      this.stride,
      this.padding,
      this.ceilMode,
      this.countIncludePad,
    );
  }
}

/** Mean over windows chosen so that the output has the given size. */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: [number, number];

  constructor(outputSize: Size2) {
    super();
    this.outputSize = pair(outputSize);
  }

  override forward(input: Tensor): Tensor {
    return torch.adaptiveAvgPool2d(input, this.outputSize);
  }
}

/** {@link interpolate} as a module: `new Upsample({ scaleFactor: 2 })`. */
export class Upsample extends Module {
  readonly options: InterpolateOptions;

  constructor(options: InterpolateOptions) {
    super();
    this.options = { ...options };
  }

  override forward(input: Tensor): Tensor {
    return interpolate(input, this.options);
  }
}
