import { NotImplementedError } from '../core/errors.js';
import { Module } from './module.js';

/** Stands for the recurrent layers of torch.nn, which are left out: making one throws. */
export abstract class Recurrent extends Module {
  constructor(..._args: unknown[]) {
    super();
    throw new NotImplementedError(
      `nn.${this.constructor.name} is not part of this library: it has no recurrent layers. Use attention ` +
        '(nn.MultiheadAttention, nn.TransformerEncoderLayer) or convolutions, or write the cell as a Module: its ' +
        'operators (torch.linear, sigmoid, tanh) and their gradients are all there',
    );
  }
}

/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class RNN extends Recurrent {}
/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class LSTM extends Recurrent {}
/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class GRU extends Recurrent {}
/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class RNNCell extends Recurrent {}
/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class LSTMCell extends Recurrent {}
/** Left out: making one throws NotImplementedError, which says what to use in its place. */
export class GRUCell extends Recurrent {}
