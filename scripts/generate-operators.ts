/**
 * Writes src/torch/operators/*.generated.ts from the schemas of the loaded libtorch. Run `npm run generate:operators`
 * after changing libtorch or this script. With `--check` it writes nothing and fails if a file differs.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { camelCase, fullName, type Schema } from '../src/torch/core/schema.js';
import { unsafeOperators } from '../src/torch/core/unsafe-operators.js';
import { comment } from './operator-comments.js';
import { parameterType, resultType } from './operator-types.js';
import { publicOperators } from './public-operators.js';

const FOLDER = fileURLToPath(new URL('../src/torch/operators/', import.meta.url));

// Hand-written in Tensor and the creation functions; reserved words cannot be function names.
const BY_HAND_FUNCTIONS = new Set(
  'empty zeros ones full randn rand randint randperm arange linspace eye item to is_leaf data set_data requires_grad_ backward retain_grad promote_types result_type'.split(
    ' ',
  ),
);
const BY_HAND_METHODS = new Set(
  'item to data numel requires_grad_ backward is_leaf double float half bfloat16 long int bool cpu cuda set_data'.split(
    ' ',
  ),
);
const RESERVED = new Set(
  'var delete export import in function default with new this super class const enum'.split(' '),
);

/** Files by family: the first pattern that matches an operator's name, otherwise by signature. */
const FAMILIES: [string, RegExp][] = [
  [
    'linalg',
    /^(linalg_|cholesky|lu_|lu$|qr$|svd|slogdet|logdet|det$|inverse|pinverse|matrix_|mm$|bmm|matmul|addmm|addmv|addbmm|baddbmm|addr|mv$|dot$|vdot|inner|outer|ger|kron|chain_matmul|triangular_|geqrf|orgqr|ormqr|tensordot|einsum|bilinear|trapz|trapezoid|cross$|cdist|pdist|cov$|corrcoef|triu|tril|trace|hspmm|sspaddmm|smm)/,
  ],
  ['fft', /^(fft_|stft|istft|hann_|hamming_|bartlett_|blackman_|kaiser_|hz_)/],
  ['special', /^special_/],
  ['quantized', /(quantize|fake_quant|^q_|^qscheme|int_repr|fbgemm|fused_moving_avg|mkldnn|miopen|cudnn)/],
  [
    'sparse',
    /(sparse|^coalesce|^is_coalesced|^indices|^values|^crow_|^col_|^ccol|^row_|_dense$|^dense_|^resize_as_sparse|nested_tensor|jagged)/,
  ],
  ['convolution', /(conv|^col2im|^im2col|unfold|^fold)/],
  [
    'pooling',
    /(pool|upsample|grid_sampler|affine_grid|pixel_|channel_shuffle|^pad$|_pad|reflection|replication|unpool)/,
  ],
  [
    'normalization',
    /(_norm$|_norm\b|norm_|^native_.*norm|renorm|local_response|batch_norm|dropout|instance_norm|rms_norm)/,
  ],
  ['loss', /(_loss|^kl_div|binary_cross|^smooth_l1|^huber|multi_margin|^ctc)/],
  [
    'activation',
    /(relu|elu|gelu|silu|mish|sigmoid|tanh|softplus|softshrink|hardshrink|hardtanh|hardswish|glu|softmax|threshold|selu|celu|prelu|rrelu|attention|embedding|lstm|gru|rnn|linear$|multi_head)/,
  ],
  [
    'random',
    /^(rand|normal|uniform|bernoulli|binomial|poisson|multinomial|exponential|geometric|cauchy|log_normal|random|standard_gamma)/,
  ],
  [
    'creation',
    /(^full|^zeros|^ones|^empty|_like$|^new_|^scalar_tensor|^logspace|^range|^from_|^vander|^tril_indices|^triu_indices|^cartesian|^combinations|^block_diag|^meshgrid|^complex$|^polar$|^asarray|^eye)/,
  ],
  [
    'indexing',
    /(index|^select|^slice|^narrow|^gather|^scatter|^take|^put|^masked_|^where|^nonzero|^argwhere|^diagonal|^diag|^roll|^rot90|^flip|^searchsorted|^bucketize|^isin|^one_hot|^unique|^count_nonzero|^histc|^histogram|^bincount|^fill)/,
  ],
  [
    'shape',
    /(view|reshape|permute|transpose|squeeze|expand|^cat|concat|stack|split|chunk|unbind|repeat|tile|broadcast|^t$|^t_$|swap|moveaxis|movedim|flatten|unflatten|ravel|^size|^stride|^resize|^set_|^alias|^as_strided|^detach|^clone|^contiguous|^copy|atleast|^adjoint|^m[TH]$|numpy_T|^lift|^real$|^imag$|^squeeze)/,
  ],
  [
    'reduction',
    /^(sum|mean|prod|std|var|min|max|amin|amax|aminmax|argmin|argmax|all|any|norm|dist|median|nanmedian|mode|quantile|nanquantile|nansum|nanmean|logsumexp|cum|logcumsumexp|sort|argsort|topk|kthvalue|msort|fmin|fmax|equal|allclose|nuclear_norm|frobenius_norm|gradient|diff|segment_reduce)/,
  ],
];

const overloads = publicOperators();

function family(name: string, schemas: Schema[]): string {
  const named = FAMILIES.find(([, pattern]) => pattern.test(name));
  if (named) return named[0];
  const first = schemas[0]!;
  const elementwise =
    first.arguments[0]?.base === 'Tensor' &&
    first.returns.length === 1 &&
    first.returns[0]!.type === 'Tensor';
  return elementwise ? 'pointwise' : 'other';
}

function identifier(name: string): string {
  const camel = camelCase(name);
  return RESERVED.has(camel) ? `${camel}_` : camel;
}

/** Returns every way to call an overload: some arguments by position, the rest in an options object. */
function signatures(schema: Schema, self: boolean): string[] {
  const args = self ? schema.arguments.slice(1) : schema.arguments;
  const positional = args.filter((argument) => !argument.keywordOnly);
  const required = positional.filter((argument) => argument.default === null).length;
  const lastRequired = positional.findLastIndex((argument) => argument.default === null) + 1;
  const result = resultType(schema);
  const lines = new Set<string>();
  const counts = new Set(
    Array.from({ length: positional.length - lastRequired + 1 }, (_, i) => lastRequired + i),
  );
  if (required > 0 && (self || positional.length > 1)) counts.add(self ? 0 : 1);
  for (const count of [...counts].sort((a, b) => a - b)) {
    const given = positional
      .slice(0, count)
      .map((argument) => `${identifier(argument.name)}: ${parameterType(argument, schema)}`);
    const rest = args.filter((argument) => argument.keywordOnly || positional.indexOf(argument) >= count);
    const options = rest.map((argument) => {
      const needed = argument.default === null && !argument.optional;
      return `${camelCase(argument.name)}${needed ? '' : '?'}: ${parameterType(argument, schema)}`;
    });
    const unsafe = fullName(schema) in unsafeOperators;
    if (unsafe) options.push('unsafe: true');
    const needed = unsafe || rest.some((argument) => argument.default === null && !argument.optional);
    if (options.length > 0) given.push(`options${needed ? '' : '?'}: { ${options.join('; ')} }`);
    lines.add(`(${given.join(', ')}): ${result}`);
  }
  return [...lines];
}

function isMethod(schema: Schema): boolean {
  return (
    schema.arguments[0]?.name === 'self' &&
    schema.arguments[0].base === 'Tensor' &&
    !schema.arguments[0].list &&
    !schema.arguments[0].optional
  );
}

/**
 * Returns the overloads in the order in which they are tried: tensors before scalars before named variants, otherwise
 * as registered.
 */
function ordered(schemas: Schema[]): Schema[] {
  const rank = (schema: Schema): number =>
    schema.overload === '' ? 0 : /Tensor/.test(schema.overload) ? 1 : 2;
  return [...schemas].sort((a, b) => rank(a) - rank(b) || (a.overload < b.overload ? -1 : 1));
}

const byFamily = new Map<string, [string, Schema[]][]>();
for (const [name, schemas] of [...overloads].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const key = family(name, schemas);
  byFamily.set(key, [...(byFamily.get(key) ?? []), [name, ordered(schemas)]]);
}

function pascal(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

function fileFor(key: string, entries: [string, Schema[]][]): string {
  const functions = entries.filter(([name]) => !BY_HAND_FUNCTIONS.has(name));
  const methods = entries.filter(([name, schemas]) => !BY_HAND_METHODS.has(name) && schemas.some(isMethod));
  const body: string[] = [];
  for (const [name, schemas] of functions) {
    const types = [...new Set(schemas.flatMap((schema) => signatures(schema, false)))].map(
      (line) => `  ${line};`,
    );
    const names = schemas.map((schema) => `'${schema.overload}'`).join(', ');
    const type = types.join('\n');
    const id = identifier(name);
    const open = id === camelCase(name) ? 'export const' : 'const';
    body.push(
      `${comment(`torch.${name}`, schemas, '')}${open} ${id}: {\n${type}\n} = define('${name}', [${names}]);\n`,
    );
    if (open === 'const') body.push(`export { ${id} as ${name} };\n`);
  }
  for (const [name, schemas] of entries.filter(
    ([name]) => BY_HAND_FUNCTIONS.has(name) && methods.some(([other]) => other === name),
  )) {
    body.push(`define('${name}', [${schemas.map((schema) => `'${schema.overload}'`).join(', ')}]);\n`);
  }
  body.push(`/** Operators of this family as methods. */\nexport interface ${pascal(key)}Methods {`);
  for (const [name, schemas] of methods) {
    const own = schemas.filter(isMethod);
    const lines = [...new Set(own.flatMap((schema) => signatures(schema, true)))].map(
      (line) => `  ${camelCase(name)}${line};`,
    );
    body.push(`${comment(`Tensor.${name}`, own, '  ')}${lines.join('\n')}`);
  }
  body.push('}\n');
  const list = methods.map(([name]) => `'${name}'`).join(', ');
  body.push(`installMethods([${list}]);\n`);
  const text = body.join('\n');
  const types = ['DType', 'Device', 'Generator', 'Layout', 'MemoryFormat', 'Scalar', 'Tensor'].filter(
    (type) => new RegExp(`\\b${type}\\b`).test(text.replaceAll(/\/\*\*[\s\S]*?\*\//g, '')),
  );
  const from: Record<string, string> = {
    DType: '../core/dtype.js',
    Device: '../core/device.js',
    Generator: '../core/random.js',
    Layout: '../core/layout.js',
    MemoryFormat: '../core/layout.js',
    Scalar: '../core/scalar.js',
    Tensor: '../core/tensor.js',
  };
  const imports = [...new Set(types.map((type) => from[type]!))].map(
    (path) => `import type { ${types.filter((type) => from[type] === path).join(', ')} } from '${path}';`,
  );
  return `// Generated by scripts/generate-operators.ts from libtorch's schemas; do not edit.\n${imports.join('\n')}\nimport { define, installMethods } from '../core/operator.js';\n\n${text}`;
}

const files = new Map<string, string>();
const keys = [...byFamily.keys()].sort();
for (const key of keys) files.set(`${key}.generated.ts`, fileFor(key, byFamily.get(key)!));
files.set(
  'index.ts',
  `// Generated by scripts/generate-operators.ts; do not edit.\n${keys.map((key) => `import type { ${pascal(key)}Methods } from './${key}.generated.js';`).join('\n')}\n\n${keys
    .map((key) => `export * from './${key}.generated.js';`)
    .join(
      '\n',
    )}\n\n/** All operators that are methods of Tensor. */\nexport interface TensorMethods extends\n  ${keys.map((key) => `${pascal(key)}Methods`).join(',\n  ')} {}\n`,
);

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [file, text] of files) {
  const path = join(FOLDER, file);
  let current = '';
  try {
    current = readFileSync(path, 'utf8');
  } catch {
    // The file does not exist yet.
  }
  if (current !== text) stale.push(file);
  if (!check) writeFileSync(path, text);
}
for (const file of readdirSync(FOLDER)) {
  if (files.has(file)) continue;
  stale.push(file);
  if (!check) rmSync(join(FOLDER, file));
}
const count = [...overloads.values()].reduce((sum, schemas) => sum + schemas.length, 0);
console.log(`${overloads.size} operators, ${count} overloads, ${files.size} files`);
if (check && stale.length > 0) {
  console.error(
    `these files do not match libtorch's schemas: ${stale.join(', ')}; run: npm run generate:operators`,
  );
  process.exit(1);
}
