import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { ConvNd } from './convolution.js';
import type { FactoryOptions } from './linear.js';
import { spread } from './sizes.js';
import type { Size, Size1, Size2, Size3 } from './sizes.js';

export interface ConvTransposeOptions<S extends Size> extends FactoryOptions {
  /** Default 1. */
  stride?: S;
  /** Elements removed from each side of the output. Default 0. */
  padding?: S;
  /** Elements added at the far side of each dimension of the output. Default 0. */
  outputPadding?: S;
  /** Default 1. */
  groups?: number;
  /** Default true. */
  bias?: boolean;
  /** Default 1. */
  dilation?: S;
}
export type ConvTranspose1dOptions = ConvTransposeOptions<Size1>;
export type ConvTranspose2dOptions = ConvTransposeOptions<Size2>;
export type ConvTranspose3dOptions = ConvTransposeOptions<Size3>;

const operators = { 1: torch.convTranspose1d, 2: torch.convTranspose2d, 3: torch.convTranspose3d };

/** Base class of transposed convolutions of all dimensions; `weight` is [in, out / groups, ...kernel]. */
abstract class TransposedConvolution<S extends Size> extends ConvNd<S> {
  protected static override readonly transposed = true;
  declare readonly padding: number[];
  readonly outputPadding: number[];
  readonly #operator: typeof torch.convTranspose2d;

  constructor(inChannels: number, outChannels: number, kernel: S, options: ConvTransposeOptions<S> = {}) {
    super(inChannels, outChannels, kernel, options);
    const { dims } = new.target;
    const { outputPadding = 0 } = options;
    this.outputPadding = spread(outputPadding, dims, `${this.constructor.name}: output padding`);
    this.#operator = operators[dims];
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, outputPadding, groups, dilation } = this;
    return this.#operator(input, weight, bias, stride, padding, outputPadding, groups, dilation); // [B, out, ...]
  }

  protected override extraRepr(): string {
    return this.shown(this.outputPadding, 'zeros');
  }
}

/**
 * Transposed 1-D convolution of [B, in, L]; `weight` is [in, out / groups, kernel].
 *
 * @example
 * ```ts
 * const layer = new nn.ConvTranspose1d(16, 8, 4, { stride: 2, padding: 1 });
 * const y = layer.forward(torch.randn([2, 16, 50])); // [2, 8, 100]
 * ```
 */
export class ConvTranspose1d extends TransposedConvolution<Size1> {
  protected static override readonly dims = 1;
}

/**
 * Transposed 2-D convolution of [B, in, H, W]; `weight` is [in, out / groups, kernel height, kernel width].
 *
 * @example
 * ```ts
 * const layer = new nn.ConvTranspose2d(16, 3, 4, { stride: 2, padding: 1 });
 * const y = layer.forward(torch.randn([2, 16, 8, 8])); // [2, 3, 16, 16]
 * ```
 */
export class ConvTranspose2d extends TransposedConvolution<Size2> {
  protected static override readonly dims = 2;
}

/**
 * Transposed 3-D convolution of [B, in, D, H, W]; `weight` is [in, out / groups, ...kernel].
 *
 * @example
 * ```ts
 * const y = new nn.ConvTranspose3d(8, 3, 2, { stride: 2 }).forward(torch.randn([1, 8, 2, 4, 4])); // [1, 3, 4, 8, 8]
 * ```
 */
export class ConvTranspose3d extends TransposedConvolution<Size3> {
  protected static override readonly dims = 3;
}

export type { TransposedConvolution };
