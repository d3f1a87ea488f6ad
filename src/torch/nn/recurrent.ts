import * as torch from '../index.js';
import { describe } from '../core/describe.js';
import type { Tensor } from '../index.js';
import * as init from './init.js';
import { emptyParameter } from './linear.js';
import type { FactoryOptions } from './linear.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { pythonBool, pythonFloat } from './sizes.js';

export interface RecurrentOptions extends FactoryOptions {
  /** Default 1. */
  numLayers?: number;
  /** Default true. */
  bias?: boolean;
  /** True if inputs and outputs are [B, L, …]; otherwise they are [L, B, …]. States are unaffected. Default false. */
  batchFirst?: boolean;
  /** Dropout of the output of every layer but the last, in training. Default 0. */
  dropout?: number;
  /** True if each layer also reads the sequence backwards and concatenates both results. Default false. */
  bidirectional?: boolean;
}

export interface RNNOptions extends RecurrentOptions {
  /** Default `tanh`. */
  nonlinearity?: 'tanh' | 'relu';
}

export interface LSTMOptions extends RecurrentOptions {
  /** Width that outputs and hidden states are projected to; 0, the default, leaves them unchanged. */
  projSize?: number;
}

/**
 * Name of a parameter in layer 0, 1, … of a recurrent module: `weightIhL0`, or `weightIhL0Reverse` for the backward
 * direction.
 */
export type WeightName = `${'weight' | 'bias'}${'Ih' | 'Hh' | 'Hr'}L${number}${string}`;

/** Computes results from an input and states that have a batch dimension. */
export type RecurrentOperator = (input: Tensor, states: readonly Tensor[]) => Tensor[];

/**
 * Base class of `RNN`, `LSTM` and `GRU`; parameters are fields named as in PyTorch: `weightIhL0`, `biasHhL1Reverse`.
 */
export abstract class Recurrent extends Module {
  [name: WeightName]: Parameter;
  /** Size of the input's last dimension. */
  readonly inputSize: number;
  /** Width of the states. */
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  /** Width that outputs and hidden states are projected to; 0 leaves them unchanged. */
  readonly projSize: number;
  readonly #names: WeightName[] = [];

  constructor(gates: number, inputSize: number, hiddenSize: number, options: LSTMOptions) {
    super();
    const { numLayers = 1, bias = true, batchFirst = false, dropout = 0, bidirectional = false } = options;
    const { projSize = 0 } = options;
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bias = bias;
    this.batchFirst = batchFirst;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    this.projSize = projSize;
    this.#check();
    const width = projSize || hiddenSize;
    const rows = gates * hiddenSize;
    for (let layer = 0; layer < numLayers; layer++) {
      for (const reverse of bidirectional ? ['', 'Reverse'] : ['']) {
        const add = (kind: string, shape: number[]): void => {
          const name = `${kind}L${layer}${reverse}` as WeightName;
          this[name] = emptyParameter(shape, options);
          this.#names.push(name);
        };
        add('weightIh', [rows, layer === 0 ? inputSize : width * (bidirectional ? 2 : 1)]);
        add('weightHh', [rows, width]);
        if (bias) add('biasIh', [rows]);
        if (bias) add('biasHh', [rows]);
        if (projSize > 0) add('weightHr', [projSize, hiddenSize]);
      }
    }
    resetRecurrent(this, hiddenSize);
  }

  #check(): void {
    const { inputSize, hiddenSize, numLayers, dropout, projSize } = this;
    const name = this.constructor.name;
    for (const [what, size] of Object.entries({ inputSize, hiddenSize, numLayers })) {
      if (!(Number.isInteger(size) && size > 0))
        throw new torch.ArgumentError(`${name}: ${what} must be a positive integer, not ${String(size)}`);
    }
    if (!(dropout >= 0 && dropout <= 1))
      throw new torch.ArgumentError(`${name}: dropout must be in [0, 1], not ${dropout}`);
    if (!(Number.isInteger(projSize) && projSize >= 0 && projSize < hiddenSize))
      throw new torch.ArgumentError(
        `${name}: projSize must be below hiddenSize ${hiddenSize}, not ${projSize}`,
      );
  }

  /** Returns the operators' arguments after input and states. */
  protected settings(): [Parameter[], boolean, number, number, boolean, boolean, boolean] {
    const { bias, numLayers, dropout, training, bidirectional, batchFirst } = this;
    const weights = this.#names.map((name) => this[name] as Parameter);
    return [weights, bias, numLayers, dropout, training, bidirectional, batchFirst];
  }

  /** Calls `operator` with a batch and states of the given widths: zeros if none are given. */
  protected call(
    input: Tensor,
    states: readonly Tensor[] | null,
    operator: RecurrentOperator,
    widths: readonly number[] = [this.hiddenSize],
  ): Tensor[] {
    const leading = this.numLayers * (this.bidirectional ? 2 : 1);
    const shapes = (batch: number): number[][] => widths.map((width) => [leading, batch, width]);
    const layout = { name: this.constructor.name, dims: 3, inputDim: this.batchFirst ? 0 : 1, stateDim: 1 };
    // Autocast casts the operator's arguments, but they are checked before that: they must have one dtype.
    const { dtype } = this[this.#names[0]!] as Parameter;
    const alike = (tensor: Tensor): Tensor =>
      torch.isAutocastEnabled(tensor.device) ? tensor.to(dtype) : tensor;
    return withBatch(alike(input), states && states.map(alike), { ...layout, shapes }, operator);
  }

  protected override extraRepr(): string {
    const { inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, projSize } = this;
    return [
      `${inputSize}, ${hiddenSize}`,
      ...(projSize > 0 ? [`proj_size=${projSize}`] : []),
      ...(numLayers > 1 ? [`num_layers=${numLayers}`] : []),
      ...(bias ? [] : [`bias=${pythonBool(bias)}`]),
      ...(batchFirst ? [`batch_first=${pythonBool(batchFirst)}`] : []),
      ...(dropout > 0 ? [`dropout=${pythonFloat(dropout)}`] : []),
      ...(bidirectional ? [`bidirectional=${pythonBool(bidirectional)}`] : []),
    ].join(', ');
  }
}

/** The dimensions of a layer's batched input, and the batch dimension in the input and in the states. */
export interface BatchLayout {
  name: string;
  dims: number;
  inputDim: number;
  stateDim: number;
  /** Returns the shapes of the states for a batch. */
  shapes: (batch: number) => number[][];
}

/** Adds a batch dimension to an input and states without one, and removes it from the results. */
export function withBatch(
  input: Tensor,
  states: readonly Tensor[] | null,
  { name, dims, inputDim, stateDim, shapes }: BatchLayout,
  compute: RecurrentOperator,
): Tensor[] {
  const { ndim, dtype, device } = input;
  if (ndim !== dims && ndim !== dims - 1)
    throw new torch.ShapeError(`${name}: the input must have ${dims - 1} or ${dims} dimensions, not ${ndim}`);
  const single = ndim < dims;
  const x = single ? input.unsqueeze(inputDim) : input;
  const given = states?.map((state) => (single ? state.unsqueeze(stateDim) : state));
  const hx = given ?? shapes(x.shape[inputDim]!).map((shape) => torch.zeros(shape, { dtype, device }));
  const results = compute(x, hx);
  if (!single) return results;
  // The other results have the batch dimension where the input has it.
  return results.map((result, i) => result.squeeze(i < results.length - hx.length ? inputDim : stateDim));
}

/** Initialises weights and biases like PyTorch's recurrent layers. */
export function resetRecurrent(module: Module, hiddenSize: number): void {
  const bound = 1 / Math.sqrt(hiddenSize);
  for (const parameter of module.parameters()) init.uniform_(parameter, -bound, bound);
}

export function checkNonlinearity(name: string, given: 'tanh' | 'relu'): 'tanh' | 'relu' {
  if (given === 'tanh' || given === 'relu') return given;
  throw new torch.ArgumentError(`${name}: nonlinearity must be tanh or relu, not ${describe(given)}`);
}

/**
 * hₜ = tanh(W xₜ + b + W' hₜ₋₁ + b'), or relu, over a sequence, in one layer or several.
 *
 * @example
 * ```ts
 * const rnn = new nn.RNN(8, 16, { batchFirst: true });
 * const [output, hidden] = rnn.forward(torch.randn([4, 10, 8])); // [4, 10, 16], [1, 4, 16]
 * ```
 */
export class RNN extends Recurrent {
  readonly nonlinearity: 'tanh' | 'relu';

  /** Creates the weights, uniform with bound 1 / √hiddenSize. */
  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    const { nonlinearity = 'tanh', ...others } = options;
    super(1, inputSize, hiddenSize, others);
    this.nonlinearity = checkNonlinearity('RNN', nonlinearity);
  }

  /**
   * Returns the last layer's states of all steps, [L, B, directions · hiddenSize] or [B, L, …], and the last step's of
   * all layers, [layers · directions, B, hiddenSize]; without the batch dimension if the input has none.
   *
   * @param input [L, B, inputSize], or [B, L, inputSize] with `batchFirst`, or [L, inputSize]
   * @param hx the initial states; zeros by default
   */
  override forward(input: Tensor, hx: Tensor | null = null): [output: Tensor, hidden: Tensor] {
    const operator = this.nonlinearity === 'tanh' ? torch.rnnTanh : torch.rnnRelu;
    return this.call(input, hx && [hx], (x, [h]) => operator(x, h!, ...this.settings())) as [Tensor, Tensor];
  }
}

/**
 * Gated recurrent units (Cho et al., arXiv 1406.1078) over a sequence, in one layer or several.
 *
 * @example
 * ```ts
 * const gru = new nn.GRU(8, 16, { batchFirst: true, bidirectional: true });
 * const [output, hidden] = gru.forward(torch.randn([4, 10, 8])); // [4, 10, 32], [2, 4, 16]
 * ```
 */
export class GRU extends Recurrent {
  /** Creates the weights, uniform with bound 1 / √hiddenSize. */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  /** Has the same arguments and results as {@link RNN.forward}. */
  override forward(input: Tensor, hx: Tensor | null = null): [output: Tensor, hidden: Tensor] {
    return this.call(input, hx && [hx], (x, [h]) => torch.gru(x, h!, ...this.settings())) as [Tensor, Tensor];
  }
}

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997) over a sequence, in one layer or several.
 *
 * @example
 * ```ts
 * const lstm = new nn.LSTM(8, 16, { numLayers: 2, batchFirst: true });
 * const [output, [hidden, cell]] = lstm.forward(torch.randn([4, 10, 8])); // [4, 10, 16], [2, 4, 16], [2, 4, 16]
 * ```
 */
export class LSTM extends Recurrent {
  /** Creates the weights, uniform with bound 1 / √hiddenSize. */
  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    super(4, inputSize, hiddenSize, options);
  }

  /**
   * Returns the results of {@link RNN.forward}, but with two states: the hidden state, projSize wide if that is set,
   * and the cell state.
   *
   * @param input [L, B, inputSize], or [B, L, inputSize] with `batchFirst`, or [L, inputSize]
   * @param hx both initial states; zeros by default
   */
  override forward(
    input: Tensor,
    hx: readonly [hidden: Tensor, cell: Tensor] | null = null,
  ): [output: Tensor, states: [hidden: Tensor, cell: Tensor]] {
    const { projSize, hiddenSize } = this;
    const widths = [projSize || hiddenSize, hiddenSize];
    const found = this.call(input, hx, (x, states) => this.#compute(x, states), widths);
    const [output, hidden, cell] = found as [Tensor, Tensor, Tensor];
    return [output, [hidden, cell]];
  }

  /**
   * Casts before the call what autocast would cast inside it, because oneDNN has no 16-bit LSTM on processors without
   * AVX-512.
   */
  #compute(x: Tensor, states: readonly Tensor[]): Tensor[] {
    const [weights, ...settings] = this.settings();
    const dtype = x.device === 'cpu' ? torch.autocastDType(x.device) : null;
    if (dtype == null) return torch.lstm(x, states, weights, ...settings);
    const cast = (tensor: Tensor): Tensor => tensor.to(dtype);
    return torch.lstm(cast(x), states.map(cast), weights.map(cast), ...settings);
  }
}
