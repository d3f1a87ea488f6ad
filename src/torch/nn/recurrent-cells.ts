import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { emptyParameter } from './linear.js';
import type { LinearOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { checkNonlinearity, resetRecurrent, withBatch, type RecurrentOperator } from './recurrent.js';

export interface RNNCellOptions extends LinearOptions {
  /** Default `tanh`. */
  nonlinearity?: 'tanh' | 'relu';
}

/** Base class of `RNNCell`, `LSTMCell` and `GRUCell`. */
abstract class RecurrentCell extends Module {
  protected static readonly gates: number;
  /** Size of the input's last dimension. */
  readonly inputSize: number;
  /** Width of the states. */
  readonly hiddenSize: number;
  /** Weights from the input to all gates: [gates · hiddenSize, inputSize]. */
  weightIh: Parameter;
  /** Weights from the hidden state to all gates: [gates · hiddenSize, hiddenSize]. */
  weightHh: Parameter;
  /** Bias of the input's contribution, [gates · hiddenSize]; null without biases. */
  biasIh: Parameter | null;
  /** Bias of the hidden state's contribution, [gates · hiddenSize]; null without biases. */
  biasHh: Parameter | null;

  /** Creates the weights, uniform with bound 1 / √hiddenSize. */
  constructor(inputSize: number, hiddenSize: number, options: LinearOptions = {}) {
    super();
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    const rows = new.target.gates * hiddenSize;
    this.weightIh = emptyParameter([rows, inputSize], options);
    this.weightHh = emptyParameter([rows, hiddenSize], options);
    this.biasIh = options.bias === false ? null : emptyParameter([rows], options);
    this.biasHh = options.bias === false ? null : emptyParameter([rows], options);
    resetRecurrent(this, hiddenSize);
  }

  protected weights(): [Parameter, Parameter, Parameter | null, Parameter | null] {
    return [this.weightIh, this.weightHh, this.biasIh, this.biasHh];
  }

  /** Calls `operator` with a batch and `count` states: zeros if none are given. */
  protected call(
    input: Tensor,
    states: readonly Tensor[] | null,
    operator: RecurrentOperator,
    count = 1,
  ): Tensor[] {
    const shapes = (batch: number): number[][] =>
      Array.from({ length: count }, () => [batch, this.hiddenSize]);
    const layout = { name: this.constructor.name, dims: 2, inputDim: 0, stateDim: 0 };
    return withBatch(input, states, { ...layout, shapes }, operator);
  }

  protected override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.biasIh === null ? ', bias=False' : ''}`;
  }
}

/**
 * One step of an {@link RNN}.
 *
 * @example
 * ```ts
 * const cell = new nn.RNNCell(8, 16);
 * const first = cell.forward(torch.randn([4, 8])); // [4, 16]
 * const second = cell.forward(torch.randn([4, 8]), first); // [4, 16]
 * ```
 */
export class RNNCell extends RecurrentCell {
  protected static override readonly gates = 1;
  readonly nonlinearity: 'tanh' | 'relu';

  /** Creates the weights, uniform with bound 1 / √hiddenSize. */
  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    super(inputSize, hiddenSize, options);
    this.nonlinearity = checkNonlinearity('RNNCell', options.nonlinearity ?? 'tanh');
  }

  /**
   * Returns the next state, [B, hiddenSize], or [hiddenSize] if the input has no batch.
   *
   * @param input [B, inputSize], or [inputSize]
   * @param hx the previous state; zeros by default
   */
  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    const operator = this.nonlinearity === 'tanh' ? torch.rnnTanhCell : torch.rnnReluCell;
    return this.call(input, hx && [hx], (x, [h]) => [operator(x, h!, ...this.weights())])[0]!;
  }

  protected override extraRepr(): string {
    return super.extraRepr() + (this.nonlinearity === 'tanh' ? '' : `, nonlinearity=${this.nonlinearity}`);
  }
}

/**
 * One step of a {@link GRU}.
 *
 * @example
 * ```ts
 * const cell = new nn.GRUCell(8, 16);
 * const first = cell.forward(torch.randn([4, 8])); // [4, 16]
 * const second = cell.forward(torch.randn([4, 8]), first); // [4, 16]
 * ```
 */
export class GRUCell extends RecurrentCell {
  protected static override readonly gates = 3;

  /** Has the same arguments and result as {@link RNNCell.forward}. */
  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.call(input, hx && [hx], (x, [h]) => [torch.gruCell(x, h!, ...this.weights())])[0]!;
  }
}

/**
 * One step of an {@link LSTM}.
 *
 * @example
 * ```ts
 * const lstm = new nn.LSTMCell(8, 16);
 * const states = lstm.forward(torch.randn([4, 8]));
 * const [hidden, cell] = lstm.forward(torch.randn([4, 8]), states); // [4, 16], [4, 16]
 * ```
 */
export class LSTMCell extends RecurrentCell {
  protected static override readonly gates = 4;

  /**
   * Returns the next hidden and cell states, [B, hiddenSize] each, or [hiddenSize] if the input has no batch.
   *
   * @param input [B, inputSize], or [inputSize]
   * @param hx both previous states; zeros by default
   */
  override forward(
    input: Tensor,
    hx: readonly [hidden: Tensor, cell: Tensor] | null = null,
  ): [hidden: Tensor, cell: Tensor] {
    const step = (x: Tensor, states: readonly Tensor[]): Tensor[] =>
      torch.lstmCell(x, states, ...this.weights());
    return this.call(input, hx, step, 2) as [Tensor, Tensor];
  }
}

export type { RecurrentCell };
