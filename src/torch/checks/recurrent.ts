/**
 * Rules for the recurrent operators, whose kernels do not check the sizes of weights and states and would read beyond
 * them.
 */
import { checkOverloads, type Rule } from '../core/checks.js';
import { sameShape } from '../core/layout.js';
import type { Tensor } from '../core/tensor.js';

/** Number of weight rows per row of the hidden state. */
const GATES: Readonly<Record<string, number>> = { lstm: 4, gru: 3, rnn_tanh: 1, rnn_relu: 1 };

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The kernels take rows of packed sequences by these numbers without checking them. */
function packedBatch(sizes: Tensor, rows: number): number | string {
  if (sizes.ndim !== 1 || sizes.dtype !== 'int64' || sizes.numel() === 0 || sizes.device !== 'cpu')
    return "'batch_sizes' must be a one-dimensional int64 tensor on the CPU with at least one element";
  const values = Array.from(sizes.toTypedArray() as BigInt64Array, Number);
  const falling = values.every((value, i) => value > 0 && (i === 0 || value <= values[i - 1]!));
  if (!falling || values.reduce((sum, value) => sum + value, 0) !== rows)
    return `'batch_sizes' must be positive, never increase and add up to the ${rows} rows of 'data'`;
  return values[0]!;
}

interface Layers {
  directions: number;
  layers: number;
  gates: number;
  features: number;
  /** Width of the state within a cell, and width of its output. */
  hidden: number;
  output: number;
  biases: boolean;
}

/** Shapes of all parameters in libtorch's order. */
function parameterShapes({ directions, layers, gates, features, hidden, output, biases }: Layers) {
  const shapes: number[][] = [];
  for (let layer = 0; layer < layers; layer++) {
    const width = layer === 0 ? features : directions * output;
    for (let direction = 0; direction < directions; direction++) {
      shapes.push([gates * hidden, width], [gates * hidden, output]);
      if (biases) shapes.push([gates * hidden], [gates * hidden]);
      if (output !== hidden) shapes.push([output, hidden]);
    }
  }
  return shapes;
}

const MOST_LAYERS = 1000;

/** Requires input, states and parameters of one dtype, with the sizes that the first weights imply. */
const recurrent =
  (kind: string, packed: boolean): Rule =>
  (given) => {
    const input = given(packed ? 'data' : 'input') as Tensor;
    const dimensions = packed ? 2 : 3;
    if (input.ndim !== dimensions) return `the input must have ${dimensions} dimensions, not ${input.ndim}`;
    const layers = Number(given('num_layers'));
    if (!(layers >= 1 && layers <= MOST_LAYERS))
      return `'num_layers' must be between 1 and ${MOST_LAYERS}, not ${layers}`;
    const batch = packed
      ? packedBatch(given('batch_sizes') as Tensor, input.shape[0]!)
      : input.shape[given('batch_first') === true ? 0 : 1]!;
    if (typeof batch === 'string') return batch;
    const states = (kind === 'lstm' ? given('hx') : [given('hx')]) as readonly Tensor[];
    if (kind === 'lstm' && states.length !== 2)
      return `'hx' must be a list of two states, not ${states.length}`;
    const directions = given('bidirectional') === true ? 2 : 1;
    const [output, hidden] = [states[0]!.shape.at(-1) ?? 0, states.at(-1)!.shape.at(-1) ?? 0];
    for (const [i, width] of kind === 'lstm' ? [output, hidden].entries() : [output].entries()) {
      const expected = [layers * directions, batch, width];
      if (!sameShape(states[i]!.shape, expected))
        return `a state must have shape ${shapeText(expected)}, not ${shapeText(states[i]!.shape)}`;
    }
    const parameters = given('params') as readonly Tensor[];
    const shapes = parameterShapes({
      directions,
      layers,
      gates: GATES[kind]!,
      features: input.shape.at(-1)!,
      hidden,
      output,
      biases: given('has_biases') === true,
    });
    if (parameters.length !== shapes.length)
      return `'params' must have ${shapes.length} tensors for these layers, not ${parameters.length}`;
    const wrong = shapes.findIndex((shape, i) => !sameShape(parameters[i]!.shape, shape));
    if (wrong >= 0)
      return `'params'[${wrong}] must have shape ${shapeText(shapes[wrong]!)}, not ${shapeText(parameters[wrong]!.shape)}`;
    const other = [...states, ...parameters].find(
      (tensor) =>
        tensor.dtype !== input.dtype || tensor.layout !== 'strided' || tensor.device !== input.device,
    );
    return other ? `states and 'params' must be dense tensors of the input's dtype and device` : null;
  };

for (const kind of Object.keys(GATES)) {
  checkOverloads(new RegExp(`^aten::${kind}\\.input$`), recurrent(kind, false));
  checkOverloads(new RegExp(`^aten::${kind}\\.data$`), recurrent(kind, true));
}

// The cell reads the second state without checking that there is one.
checkOverloads(/^aten::quantized_lstm_cell$/, (given) => {
  const states = given('hx') as readonly unknown[];
  return states.length >= 2 ? null : `'hx' must be a list of two states, not ${states.length}`;
});
