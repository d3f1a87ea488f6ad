/** Rules for single overloads: see argument-checks.ts. Each says what libtorch would do with what it refuses. */
import type { Rule } from './arguments.js';
import { memoryBudget } from '../core/device.js';
import { isComplex, itemSize } from '../core/dtype.js';
import { recurrent } from './recurrent.js';
import { ComplexScalar, FloatScalar } from '../core/scalar.js';
import { scope } from '../core/scope.js';
import { anyCompressedIndices, compressedIndices, coordinates, fewDimensions } from './sparse.js';
import { Tensor } from '../core/tensor.js';

/** The number that a JavaScript number or bigint is. */
function number(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : (value as number);
}

/** The real part of a scalar. */
function scalarValue(value: unknown): number {
  if (value instanceof FloatScalar) return value.value;
  return value instanceof ComplexScalar ? value.re : Number(value);
}

function isQuantized(tensor: Tensor): boolean {
  return tensor.dtype.startsWith('q');
}

const MOST_OUTPUTS = 1_000_000;

/** Lists of millions of tensors: more than there are handles, after minutes. */
const outputs =
  (name: string): Rule =>
  (given) =>
    number(given(name)) > MOST_OUTPUTS ? `${MOST_OUTPUTS} parts are the most, not ${given(name)}` : null;

/** The same, counted from the size of a dimension, which without memory may be any. */
const outputsAlong: Rule = (given) => {
  const self = given('self') as Tensor;
  const parts =
    (self.shape.at(number(given('dim') ?? 0)) ?? 0) / Math.max(1, number(given('split_size') ?? 1));
  return parts > MOST_OUTPUTS ? `${MOST_OUTPUTS} parts are the most, not ${Math.ceil(parts)}` : null;
};

/** Statistics and weights of a batch norm are indexed by channel without a look at their length. */
const perChannel =
  (...names: string[]): Rule =>
  (given) => {
    const input = given('input') as Tensor;
    if (input.ndim < 2) return `'input' has at least 2 dimensions, not ${input.ndim}`;
    const channels = input.shape[1]!;
    for (const name of names) {
      const one = (given(name) ?? null) as Tensor | null;
      if (one && (one.ndim !== 1 || one.shape[0] !== channels))
        return `'${name}' has shape [${channels}], one for each channel, not [${one.shape.join(', ')}]`;
    }
    return null;
  };

/** In evaluation the running statistics are read whether they are there or not. */
const statisticsInEvaluation: Rule = (given) =>
  given('training') === false && !(given('running_mean') && given('running_var'))
    ? "without 'training' it needs 'running_mean' and 'running_var'"
    : null;

const groups: Rule = (given) => {
  const [count, batch, channels, rest] = ['group', 'N', 'C', 'HxW'].map((name) => number(given(name))) as [
    number,
    number,
    number,
    number,
  ];
  if (count < 1) return `'group' is at least 1, not ${count}`;
  if (batch < 0 || channels < 0 || rest < 0) return "'N', 'C' and 'HxW' are not negative";
  const elements = (given('input') as Tensor).numel();
  return batch * channels * rest === elements ? null : `N · C · HxW is the number of elements, ${elements}`;
};

const LARGEST = 2 ** 53;

/** Rounded to the tensor's dtype the bound may leave 64 bits: libtorch then searches for ever. */
const bounds: Rule = (given) => {
  for (const name of ['from', 'to']) {
    const value: unknown = given(name);
    if ((typeof value === 'number' || typeof value === 'bigint') && Math.abs(Number(value)) > LARGEST)
      return `'${name}' lies between -2^53 and 2^53, not at ${value}`;
  }
  return null;
};

function largest(tensor: Tensor): number {
  if (tensor.numel() === 0 || tensor.device === 'meta') return 0;
  return scope(() =>
    Math.max(
      ...tensor
        .detach()
        .reshape([-1])
        .to('float64')
        .aminmax()
        .map((end) => end.item()),
    ),
  );
}

/** The gradient divides by the number of rows. */
const rowsForGradient: Rule = (given) => {
  const self = given('self') as Tensor;
  return self.requiresGrad && self.ndim === 2 && self.shape[0] === 0
    ? "'self' has rows where a gradient is wanted; of none there is no distance"
    : null;
};

/** The kernel for zero points between whole numbers has no code for 32 bits. */
const wholeZeroPoints: Rule = (given) => {
  const { dtype } = given('zero_points') as Tensor;
  return given('dtype') === 'qint32' && /float/.test(dtype)
    ? `'zero_points' of qint32 are integers, not ${dtype}`
    : null;
};

const LARGEST_DEGREE = 65_536;

/** The recurrence is run up to the degree, for each element. */
const degree: Rule = (given) => {
  const n: unknown = given('n');
  const value = n instanceof Tensor ? largest(n) : scalarValue(n);
  return value > LARGEST_DEGREE ? `the degree is at most ${LARGEST_DEGREE}, not ${value}` : null;
};

const reinterpreted: Rule = (given) => {
  const self = given('self') as Tensor;
  return isQuantized(self) && given('dtype') !== self.dtype
    ? 'a quantized tensor has no other dtype; use intRepr or dequantize'
    : null;
};

/** The cell reads the second state without asking whether there is one. */
const twoStates: Rule = (given) => {
  const states = given('hx') as readonly unknown[];
  return states.length >= 2 ? null : `'hx' is a list of two states, not of ${states.length}`;
};

/** Between a sparse target and a dense source it calls itself for ever. */
const strided: Rule = (given) =>
  (given('self') as Tensor).layout === 'strided' ? null : "'self' is a strided tensor; use toDense first";

/** The step is rounded to the dtype, and divided by. */
const wholeStep: Rule = (given) => {
  const dtype: unknown = given('dtype');
  const step: unknown = given('step') ?? 1;
  const fraction = typeof step === 'number' && Math.abs(step) < 1;
  return fraction && typeof dtype === 'string' && /^u?int|^bool/.test(dtype)
    ? `a step of ${step} is none in ${dtype}`
    : null;
};

/** The kernel's size is taken from the argument, its elements from the weight. */
const kernelOfWeight: Rule = (given) => {
  const size: unknown = given('kernel_size');
  const [, , ...kernel] = (given('weight') as Tensor).shape;
  const sizes = Array.isArray(size) ? size.map(number) : kernel.map(() => number(size));
  return kernel.length > 0 && sizes.length === kernel.length && sizes.every((one, i) => one === kernel[i])
    ? null
    : `'kernel_size' is that of the weight, [${kernel.join(', ')}]`;
};

/** The sums are written in the size of the tensor's own elements. */
const kindKept: Rule = (given) => {
  const dtype: unknown = given('dtype');
  const self = given('self') as Tensor;
  return typeof dtype === 'string' && isComplex(self) !== dtype.startsWith('complex')
    ? `${self.dtype} does not become ${dtype} here`
    : null;
};

/** An error that its gradient meets, with other dtypes or nothing unpacked, frees memory that is none. */
const decomposable: Rule = (given) => {
  const { dtype, requiresGrad } = given('LU_data') as Tensor;
  if (!/^(float(32|64)|complex(64|128))$/.test(dtype)) return `there are no decompositions of ${dtype}`;
  return requiresGrad && given('unpack_data') === false
    ? "'LU_data' requires gradients, which need 'unpack_data'; detach it first"
    : null;
};

/** Does `test` hold for all elements? Without memory there is nothing to ask. */
function all(tensor: Tensor, test: 'isfinite' | 'isnan', expected: boolean): boolean {
  if (tensor.device === 'meta' || tensor.numel() === 0) return true;
  return scope(() => Boolean(tensor.detach()[test]().eq(expected).all().item()));
}

/** The solver follows comparisons with nan out of its memory. */
const finite: Rule = (given) =>
  all(given('self') as Tensor, 'isfinite', true) ? null : "'self' is not finite everywhere";

/** A number of trials that is none is counted down for ever. */
const trials: Rule = (given) => {
  const wrong = ['count', 'prob'].find((name) => !all(given(name) as Tensor, 'isnan', false));
  return wrong ? `'${wrong}' is nan somewhere` : null;
};

/** A storage that cannot grow as far leaves a tensor that reaches beyond it. */
const withinSource: Rule = (given) => {
  const source = given('source') as Tensor;
  const size = (given('size') as readonly unknown[]).map(number);
  const ownStrides = (given('stride') ?? []) as readonly unknown[];
  const strides = size.map((_, i) =>
    ownStrides.length > 0
      ? number(ownStrides[i])
      : size.slice(i + 1).reduce((product, one) => product * Math.max(1, one), 1),
  );
  const last = size.reduce((sum, one, i) => sum + (one - 1) * strides[i]!, number(given('storage_offset')));
  const held = source.storage.bytes / itemSize[source.dtype];
  return size.includes(0) || last < held ? null : `the last element lies at ${last}, 'source' holds ${held}`;
};

/** What fails to grow keeps the new shape without the memory for it. */
const affordable: Rule = (given) => {
  const self = given('self') as Tensor;
  if (self.device !== 'cpu') return null;
  const shape = given('the_template') ? (given('the_template') as Tensor).shape : (given('size') as number[]);
  const bytes = shape.map(number).reduce((product, one) => product * one, itemSize[self.dtype]);
  return bytes > memoryBudget() ? `${bytes} bytes exceed the memory budget of ${memoryBudget()}` : null;
};

const LARGEST_OUTPUT = 2 ** 24;

/** Rows are walked through even where they are empty. */
const outputOfSize: Rule = (given) => {
  const size: unknown = given('output_size');
  const largest = Math.max(...(Array.isArray(size) ? size : [size]).map(number));
  return largest > LARGEST_OUTPUT ? `'output_size' is at most ${LARGEST_OUTPUT}, not ${largest}` : null;
};

/** The smallest integer has no positive counterpart, and is halved for ever. */
const exponent: Rule = (given) => {
  const n = number(given('n'));
  return Math.abs(n) > LARGEST ? `'n' lies between -2^53 and 2^53, not at ${n}` : null;
};

/** The number of heads is divided by theirs. */
const groupedHeads: Rule = (given) => {
  if (given('enable_gqa') !== true) return null;
  const empty = ['key', 'value'].find((name) => !((given(name) as Tensor).shape.at(-3)! > 0));
  return empty ? `'${empty}' has at least one head, in its third dimension from the end` : null;
};

const MODES = ['sum', 'mean', 'max'];

/** The first offset is read though there be none. */
const bags: Rule = (given) => {
  const ranks = { weight: 2, indices: 1, offsets: 1 };
  for (const [name, rank] of Object.entries(ranks)) {
    const { ndim } = given(name) as Tensor;
    if (ndim !== rank) return `'${name}' has ${rank} dimensions, not ${ndim}`;
  }
  const mode: unknown = given('mode') ?? 0;
  return MODES[number(mode)] === undefined
    ? `'mode' is 0 (sum), 1 (mean) or 2 (max), not ${number(mode)}`
    : null;
};

/** Some gradients that are all zero are but a mark, without a storage that could grow. */
const withMemory: Rule = (given) => {
  const self = given('self') as Tensor;
  return self.layout === 'strided' && self.device !== 'meta' && self.numel() > 0 && self.storage.address === 0
    ? "'self' has no memory of its own: clone it first"
    : null;
};

/** On the CPU it reads as many elements as the other tensor has without memory, which may be any number. */
const oneDevice: Rule = (given) => {
  const [a, b] = [given('x1') as Tensor, given('x2') as Tensor];
  return a.device === b.device ? null : `'x1' is on ${a.device}, 'x2' on ${b.device}`;
};

const LARGEST_KERNEL = 65_536;

/** Every place of the kernel is visited, also those outside a short input. */
const kernelOfSize: Rule = (given) => {
  const size: unknown = given('kernel_size');
  const largest = Math.max(...(Array.isArray(size) ? size : [size]).map(number));
  return largest > LARGEST_KERNEL ? `'kernel_size' is at most ${LARGEST_KERNEL}, not ${largest}` : null;
};

const LARGEST_PADDING = 2 ** 40;

/** Sums of widths beyond 64 bits wrap, and what is then read lies anywhere. */
const paddingOfSize: Rule = (given) => {
  const padding: unknown = given('padding');
  const largest = Math.max(...(Array.isArray(padding) ? padding : [padding]).map((n) => Math.abs(number(n))));
  return largest > LARGEST_PADDING ? `'padding' is at most 2^40, not ${largest}` : null;
};

const rules: readonly [RegExp, Rule][] = [
  [/^aten::(native_batch_norm)$/, perChannel('weight', 'bias', 'running_mean', 'running_var')],
  [/^aten::(native_batch_norm)$/, statisticsInEvaluation],
  [/^aten::batch_norm_update_stats$/, perChannel('running_mean', 'running_var')],
  [/^aten::native_group_norm$/, groups],
  [/^aten::random_?(\.|$)/, bounds],
  [/^aten::special_\w+_polynomial_/, degree],
  [/^aten::view(_copy)?\.dtype$/, reinterpreted],
  [/^aten::([hvd]split\.int|tensor_split\.sections)$/, outputs('sections')],
  [/^aten::quantized_lstm_cell$/, twoStates],
  ...['lstm', 'gru', 'rnn_tanh', 'rnn_relu'].flatMap((kind): [RegExp, Rule][] => [
    [new RegExp(`^aten::${kind}\\.input$`), recurrent(kind, false)],
    [new RegExp(`^aten::${kind}\\.data$`), recurrent(kind, true)],
  ]),
  [/^aten::copy$/, strided],
  [/^aten::range/, wholeStep],
  [/^aten::(slow_conv|conv_depthwise3d|thnn_conv)/, kernelOfWeight],
  [/^aten::linalg__powsum$/, kindKept],
  [/^aten::(adaptive|fractional)_(avg|max)_pool/, outputOfSize],
  [/^aten::max_pool1d/, kernelOfSize],
  [/^aten::(replication|reflection)_pad/, paddingOfSize],
  [/^aten::cosine_similarity$/, oneDevice],
  [/^aten::scaled_dot_product_attention$/, groupedHeads],
  [/^aten::(linalg_)?matrix_power$/, exponent],
  [/^aten::pdist$/, rowsForGradient],
  [/^aten::quantize_per_channel$/, wholeZeroPoints],
  [/^aten::embedding_bag/, bags],
  [/^aten::resize(_as)?_?$/, withMemory],
  [/^aten::resize(_as)?_?$/, affordable],
  [/^aten::set_?\.source_Tensor_storage_offset$/, withinSource],
  [/^aten::linalg_eig(vals)?$/, finite],
  [/^aten::binomial$/, trials],
  [/^aten::lu_unpack$/, decomposable],
  [/^aten::sparse_coo_tensor\.indices/, fewDimensions],
  [/^aten::sparse_coo_tensor\.indices_size$/, coordinates],
  [/^aten::sparse_compressed_tensor\./, anyCompressedIndices],
  ...(['sparse_csr', 'sparse_csc', 'sparse_bsr', 'sparse_bsc'] as const).map((layout): [RegExp, Rule] => [
    new RegExp(`^aten::${layout}_tensor\\.`),
    compressedIndices(layout),
  ]),
  [/^aten::((unsafe_)?split(_copy)?\.Tensor|unbind(_copy)?\.int)$/, outputsAlong],
  [/^aten::(unsafe_)?chunk$/, outputs('chunks')],
];

export function overloadRules(name: string): Rule[] {
  return rules.filter(([pattern]) => pattern.test(name)).map(([, rule]) => rule);
}
