import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { emptyParameter, resetAffine } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { spread, tuple } from './sizes.js';
import type { Size, Size1, Size2, Size3 } from './sizes.js';

export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

export interface ConvOptions<S extends Size> extends FactoryOptions {
  /** Default 1. */
  stride?: S;
  /** Elements added on each side, or `same` (stride 1 only) or `valid`. Default 0. */
  padding?: S | 'same' | 'valid';
  /** Default 1. */
  dilation?: S;
  /** Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default `zeros`. */
  paddingMode?: PaddingMode;
}
export type Conv1dOptions = ConvOptions<Size1>;
export type Conv2dOptions = ConvOptions<Size2>;
export type Conv3dOptions = ConvOptions<Size3>;

/** Base class of convolutions and of transposed ones. */
export abstract class ConvNd<S extends Size> extends Module {
  protected static readonly dims: 1 | 2 | 3;
  protected static readonly transposed: boolean = false;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number[];
  readonly stride: number[];
  readonly padding: number[] | 'same' | 'valid';
  readonly dilation: number[];
  readonly groups: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: S, options: ConvOptions<S>) {
    super();
    const { dims, transposed } = new.target;
    const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
    const layer = this.constructor.name;
    checkGroups(layer, inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = spread(kernelSize, dims, `${layer}: kernel size`);
    this.stride = spread(stride, dims, `${layer}: stride`);
    const named = typeof padding === 'string' && !transposed;
    this.padding = named ? padding : spread(padding as S, dims, `${layer}: padding`);
    this.dilation = spread(dilation, dims, `${layer}: dilation`);
    this.groups = groups;
    const channels = transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    this.weight = emptyParameter([...channels, ...this.kernelSize], options);
    this.bias = options.bias === false ? null : emptyParameter([outChannels], options);
    resetAffine(this.weight, this.bias);
  }

  /** Formats the settings as PyTorch prints them. */
  protected shown(outputPadding: readonly number[], paddingMode: PaddingMode): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    const some = (values: readonly number[], usual: number): boolean => values.some((n) => n !== usual);
    const shownPadding = typeof padding === 'string' ? padding : some(padding, 0) ? tuple(padding) : null;
    return [
      `${inChannels}, ${outChannels}, kernel_size=${tuple(kernelSize)}, stride=${tuple(stride)}`,
      ...(shownPadding === null ? [] : [`padding=${shownPadding}`]),
      ...(some(dilation, 1) ? [`dilation=${tuple(dilation)}`] : []),
      ...(some(outputPadding, 0) ? [`output_padding=${tuple(outputPadding)}`] : []),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...(bias === null ? ['bias=False'] : []),
      ...(paddingMode === 'zeros' ? [] : [`padding_mode=${paddingMode}`]),
    ].join(', ');
  }
}

const operators = { 1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d };

/** Base class of convolutions of all dimensions; `weight` is [out, in / groups, ...kernel]. */
export abstract class Convolution<S extends Size> extends ConvNd<S> {
  readonly paddingMode: PaddingMode;
  readonly #operator: typeof torch.conv2d;

  constructor(inChannels: number, outChannels: number, kernelSize: S, options: ConvOptions<S> = {}) {
    super(inChannels, outChannels, kernelSize, options);
    const { padding, paddingMode = 'zeros' } = options;
    if (typeof padding === 'string' && paddingMode !== 'zeros') {
      throw new torch.ArgumentError(
        `${this.constructor.name} with paddingMode '${paddingMode}' takes a number of elements as padding, not '${padding}'`,
      );
    }
    this.paddingMode = paddingMode;
    this.#operator = operators[new.target.dims];
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups, paddingMode } = this;
    if (paddingMode === 'zeros' || typeof padding === 'string') {
      return this.#operator(input, weight, bias, stride, padding as number[], dilation, groups); // [B, out, ...]
    }
    const sides = padding.toReversed().flatMap((n) => [n, n]);
    const none = padding.map(() => 0);
    const padded = torch.pad(input, sides, paddingMode);
    return this.#operator(padded, weight, bias, stride, none, dilation, groups); // [B, out, ...]
  }

  protected override extraRepr(): string {
    return this.shown([], this.paddingMode);
  }
}

/**
 * 1-D convolution of [B, in, L] (or [in, L]); `weight` is [out, in / groups, kernel].
 *
 * @example
 * ```ts
 * const y = new nn.Conv1d(16, 32, 3, { stride: 2 }).forward(torch.randn([2, 16, 50])); // [2, 32, 24]
 * ```
 */
export class Conv1d extends Convolution<Size1> {
  protected static override readonly dims = 1;
}

/**
 * 2-D convolution of [B, in, H, W] (or [in, H, W]); `weight` is [out, in / groups, kernel height, kernel width].
 *
 * @example
 * ```ts
 * const y = new nn.Conv2d(3, 16, 3, { padding: 1 }).forward(torch.randn([2, 3, 32, 32])); // [2, 16, 32, 32]
 * ```
 */
export class Conv2d extends Convolution<Size2> {
  protected static override readonly dims = 2;
}

/**
 * 3-D convolution of [B, in, D, H, W] (or [in, D, H, W]); `weight` is [out, in / groups, ...kernel].
 *
 * @example
 * ```ts
 * const y = new nn.Conv3d(3, 8, [1, 3, 3]).forward(torch.randn([1, 3, 4, 16, 16])); // [1, 8, 4, 14, 14]
 * ```
 */
export class Conv3d extends Convolution<Size3> {
  protected static override readonly dims = 3;
}

function checkGroups(layer: string, inChannels: number, outChannels: number, groups: number): void {
  if (groups > 0 && inChannels % groups === 0 && outChannels % groups === 0) return;
  throw new torch.ArgumentError(
    `${layer}: ${inChannels} and ${outChannels} channels are not divisible into ${groups} groups`,
  );
}
