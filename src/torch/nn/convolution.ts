import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { emptyParameter, pythonBool, resetAffine } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

/** Height and width, or one number for both. */
export type Size2 = number | readonly [number, number];

export function pair(size: Size2): [number, number] {
  return typeof size === 'number' ? [size, size] : [size[0], size[1]];
}

export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

export interface Conv2dOptions extends FactoryOptions {
  /** Default 1. */
  stride?: Size2;
  /** Pixels added on each side, or `same` (stride 1 only) or `valid`. Default 0. */
  padding?: Size2 | 'same' | 'valid';
  /** Default 1. */
  dilation?: Size2;
  /** Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default `zeros`. */
  paddingMode?: PaddingMode;
}

/** 2-D convolution of [B, in, H, W] (or [in, H, W]); `weight` is [out, in / groups, kernel height, kernel width]. */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number] | 'same' | 'valid';
  readonly dilation: [number, number];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: Size2, options: Conv2dOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = 'zeros' } = options;
    checkGroups('Conv2d', inChannels, outChannels, groups);
    if (typeof padding === 'string' && paddingMode !== 'zeros') {
      throw new torch.ArgumentError(
        `Conv2d with paddingMode '${paddingMode}' needs padding in pixels, not '${padding}'`,
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    this.stride = pair(stride);
    this.padding = typeof padding === 'string' ? padding : pair(padding);
    this.dilation = pair(dilation);
    this.groups = groups;
    this.paddingMode = paddingMode;
    this.weight = emptyParameter([outChannels, inChannels / groups, ...this.kernelSize], options);
    this.bias = options.bias === false ? null : emptyParameter([outChannels], options);
    resetAffine(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    if (this.paddingMode === 'zeros' || typeof padding === 'string') {
      return torch.conv2d(input, weight, bias, stride, padding as number[], dilation, groups); // [B, out, H', W']
    }
    const [y, x] = padding;
    const padded = torch.pad(input, [x, x, y, y], this.paddingMode);
    return torch.conv2d(padded, weight, bias, stride, [0, 0], dilation, groups); // [B, out, H', W']
  }

  protected override extraRepr(): string {
    return describe(this);
  }
}

export interface ConvTranspose2dOptions extends FactoryOptions {
  /** Default 1. */
  stride?: Size2;
  /** Pixels taken off each side of the output. Default 0. */
  padding?: Size2;
  /** Pixels added at the bottom and right of the output. Default 0. */
  outputPadding?: Size2;
  /** Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default 1. */
  dilation?: Size2;
}

/** Transposed 2-D convolution of [B, in, H, W]; `weight` is [in, out / groups, kernel height, kernel width]. */
export class ConvTranspose2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number];
  readonly outputPadding: [number, number];
  readonly groups: number;
  readonly dilation: [number, number];
  weight: Parameter;
  bias: Parameter | null;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Size2,
    options: ConvTranspose2dOptions = {},
  ) {
    super();
    const { stride = 1, padding = 0, outputPadding = 0, groups = 1, dilation = 1 } = options;
    checkGroups('ConvTranspose2d', inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    this.stride = pair(stride);
    this.padding = pair(padding);
    this.outputPadding = pair(outputPadding);
    this.groups = groups;
    this.dilation = pair(dilation);
    this.weight = emptyParameter([inChannels, outChannels / groups, ...this.kernelSize], options);
    this.bias = options.bias === false ? null : emptyParameter([outChannels], options);
    resetAffine(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, outputPadding, groups, dilation } = this;
    return torch.convTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation); // [B, out, H', W']
  }

  protected override extraRepr(): string {
    return describe(this);
  }
}

function checkGroups(layer: string, inChannels: number, outChannels: number, groups: number): void {
  if (groups > 0 && inChannels % groups === 0 && outChannels % groups === 0) return;
  throw new torch.ArgumentError(
    `${layer}: ${inChannels} and ${outChannels} channels are not divisible into ${groups} groups`,
  );
}

function describe(layer: Conv2d | ConvTranspose2d): string {
  const tuple = (size: readonly number[]): string => `(${size.join(', ')})`;
  const { padding } = layer;
  return [
    `${layer.inChannels}, ${layer.outChannels}, kernel_size=${tuple(layer.kernelSize)}, stride=${tuple(layer.stride)}`,
    ...(typeof padding === 'string'
      ? [`padding=${padding}`]
      : padding.some((n) => n !== 0)
        ? [`padding=${tuple(padding)}`]
        : []),
    ...(layer.dilation.some((n) => n !== 1) ? [`dilation=${tuple(layer.dilation)}`] : []),
    ...('outputPadding' in layer && layer.outputPadding.some((n) => n !== 0)
      ? [`output_padding=${tuple(layer.outputPadding)}`]
      : []),
    ...(layer.groups === 1 ? [] : [`groups=${layer.groups}`]),
    ...(layer.bias === null ? [`bias=${pythonBool(false)}`] : []),
    ...('paddingMode' in layer && layer.paddingMode !== 'zeros' ? [`padding_mode=${layer.paddingMode}`] : []),
  ].join(', ');
}
