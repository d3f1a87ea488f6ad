import { NotImplementedError } from '../core/errors.js';
import { Module } from './module.js';

/** Stands for a class of torch.nn that is left out: making one throws, with what to do in its place. */
abstract class LeftOut extends Module {
  constructor(instead: string) {
    super();
    throw new NotImplementedError(`nn.${this.constructor.name} is not part of this library: ${instead}`);
  }
}

abstract class Lazy extends LeftOut {
  constructor(..._args: unknown[]) {
    super(
      'parameters have their shapes from the start, so that optimizers and state dicts can have them. Name the input ' +
        'size, and make the layer without "Lazy"',
    );
  }
}

/** Left out: making one throws NotImplementedError. Use `Linear` with the input's size. */
export class LazyLinear extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `Conv1d` with the input's size. */
export class LazyConv1d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `Conv2d` with the input's size. */
export class LazyConv2d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `Conv3d` with the input's size. */
export class LazyConv3d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `ConvTranspose1d` with the input's size. */
export class LazyConvTranspose1d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `ConvTranspose2d` with the input's size. */
export class LazyConvTranspose2d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `ConvTranspose3d` with the input's size. */
export class LazyConvTranspose3d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `BatchNorm1d` with the input's size. */
export class LazyBatchNorm1d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `BatchNorm2d` with the input's size. */
export class LazyBatchNorm2d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `BatchNorm3d` with the input's size. */
export class LazyBatchNorm3d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `InstanceNorm1d` with the input's size. */
export class LazyInstanceNorm1d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `InstanceNorm2d` with the input's size. */
export class LazyInstanceNorm2d extends Lazy {}
/** Left out: making one throws NotImplementedError. Use `InstanceNorm3d` with the input's size. */
export class LazyInstanceNorm3d extends Lazy {}

/** Left out: making one throws NotImplementedError. Use `GroupNorm` or `LayerNorm`. */
export class SyncBatchNorm extends LeftOut {
  constructor(..._args: unknown[]) {
    super(
      'statistics over several processes are not gathered. Use GroupNorm or LayerNorm, which need no batch',
    );
  }
}

/** Left out: making one throws NotImplementedError. Start a process for each device. */
export class DataParallel extends LeftOut {
  constructor(..._args: unknown[]) {
    super('one process drives one device. Start a process for each');
  }
}

/** Left out: making one throws NotImplementedError. Stack `TransformerEncoderLayer`. */
export class Transformer extends LeftOut {
  constructor(..._args: unknown[]) {
    super(
      'only TransformerEncoderLayer is here; stack it in a Sequential or ModuleList, and write the decoder from MultiheadAttention',
    );
  }
}

/** Left out: making one throws NotImplementedError. Stack `TransformerEncoderLayer`. */
export class TransformerEncoder extends LeftOut {
  constructor(..._args: unknown[]) {
    super('stack TransformerEncoderLayer in a Sequential, or in a ModuleList where masks are passed on');
  }
}

/** Left out: making one throws NotImplementedError. Write it from `MultiheadAttention`. */
export class TransformerDecoder extends LeftOut {
  constructor(..._args: unknown[]) {
    super('write it from MultiheadAttention, Linear and LayerNorm');
  }
}

/** Left out: making one throws NotImplementedError. Write it from `MultiheadAttention`. */
export class TransformerDecoderLayer extends LeftOut {
  constructor(..._args: unknown[]) {
    super('write it from MultiheadAttention, Linear and LayerNorm');
  }
}

/** Left out: making one throws NotImplementedError. Use `Linear` with `CrossEntropyLoss`. */
export class AdaptiveLogSoftmaxWithLoss extends LeftOut {
  constructor(..._args: unknown[]) {
    super('use Linear with CrossEntropyLoss');
  }
}

/** Left out: making one throws NotImplementedError. Use `LocalResponseNorm`. */
export class CrossMapLRN2d extends LeftOut {
  constructor(..._args: unknown[]) {
    super('use LocalResponseNorm, which computes the same');
  }
}

/** Left out: making one throws NotImplementedError. Call `torch.fractionalMaxPool2d`. */
export class FractionalMaxPool2d extends LeftOut {
  constructor(..._args: unknown[]) {
    super('draw the samples yourself and call torch.fractionalMaxPool2d');
  }
}

/** Left out: making one throws NotImplementedError. Call `torch.fractionalMaxPool3d`. */
export class FractionalMaxPool3d extends LeftOut {
  constructor(..._args: unknown[]) {
    super('draw the samples yourself and call torch.fractionalMaxPool3d');
  }
}

export type { Lazy, LeftOut };
