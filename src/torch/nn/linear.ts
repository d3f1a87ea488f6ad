import * as torch from '../index.js';
import type { DType, Device, Tensor } from '../index.js';
import * as init from './init.js';
import { Module } from './module.js';
import { affine, type Affine } from './packed-weights.js';
import { Parameter } from './parameter.js';
import { pythonBool } from './sizes.js';

/** The dtype and device of a layer's parameters. */
export interface FactoryOptions {
  dtype?: DType;
  device?: Device;
}

/** Returns only dtype and device from options that hold more. */
export function factoryOptions({ dtype, device }: FactoryOptions): FactoryOptions {
  return { ...(dtype !== undefined && { dtype }), ...(device !== undefined && { device }) };
}

/** Makes an uninitialised parameter. */
export function emptyParameter(shape: readonly number[], options: FactoryOptions): Parameter {
  return new Parameter(torch.empty([...shape], factoryOptions(options)));
}

/** Initialises a layer as PyTorch's linear and convolution layers are by default: uniform with bound 1 / √(fan in). */
export function resetAffine(weight: Tensor, bias: Tensor | null): void {
  init.kaimingUniform_(weight, { a: Math.sqrt(5) });
  const { fanIn } = init.calculateFans(weight);
  if (bias === null || fanIn === 0) return;
  const bound = 1 / Math.sqrt(fanIn);
  init.uniform_(bias, -bound, bound);
}

export interface LinearOptions extends FactoryOptions {
  /** Default true. */
  bias?: boolean;
}

/**
 * y = x Wᵀ + b over the last dimension; `weight` is [out, in].
 *
 * @example
 * ```ts
 * const y = new nn.Linear(20, 30).forward(torch.randn([128, 20])); // [128, 30]
 * ```
 */
export class Linear extends Module implements Affine {
  /** Size of the input's last dimension. */
  readonly inFeatures: number;
  /** Size of the output's last dimension. */
  readonly outFeatures: number;
  /** [outFeatures, inFeatures]. */
  weight: Parameter;
  bias: Parameter | null;
  /** Packed weight, while `withPackedWeights` runs a function. */
  declare packed?: Affine['packed'];

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = emptyParameter([outFeatures, inFeatures], options);
    this.bias = options.bias === false ? null : emptyParameter([outFeatures], options);
    resetAffine(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    return affine(input, this); // [..., out]
  }

  protected override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pythonBool(this.bias !== null)}`;
  }
}

/**
 * Returns its input unchanged.
 *
 * @example
 * ```ts
 * const y = new nn.Identity().forward(torch.randn([4, 8])); // [4, 8]
 * ```
 */
export class Identity extends Module {
  override forward<T>(input: T): T {
    return input;
  }
}

/**
 * x₁ᵀ W x₂ + b for each output; `weight` is [out, in1, in2].
 *
 * @example
 * ```ts
 * const y = new nn.Bilinear(8, 16, 2).forward(torch.randn([4, 8]), torch.randn([4, 16])); // [4, 2]
 * ```
 */
export class Bilinear extends Module {
  /** Size of the first input's last dimension. */
  readonly in1Features: number;
  /** Size of the second input's last dimension. */
  readonly in2Features: number;
  /** Size of the output's last dimension. */
  readonly outFeatures: number;
  /** [outFeatures, in1Features, in2Features]. */
  weight: Parameter;
  bias: Parameter | null;

  constructor(in1Features: number, in2Features: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = emptyParameter([outFeatures, in1Features, in2Features], options);
    this.bias = options.bias === false ? null : emptyParameter([outFeatures], options);
    const bound = 1 / Math.sqrt(in1Features);
    init.uniform_(this.weight, -bound, bound);
    if (this.bias !== null) init.uniform_(this.bias, -bound, bound);
  }

  override forward(input1: Tensor, input2: Tensor): Tensor {
    return torch.bilinear(input1, input2, this.weight, this.bias); // [..., out]
  }

  protected override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return `in1_features=${in1Features}, in2_features=${in2Features}, out_features=${outFeatures}, bias=${pythonBool(bias !== null)}`;
  }
}
