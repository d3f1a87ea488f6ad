import type { Schema, SchemaArgument } from '../src/torch/core/schema.js';

const ELEMENTS: Record<string, string> = {
  Tensor: 'Tensor',
  int: 'number',
  float: 'number',
  bool: 'boolean',
  Scalar: 'Scalar',
  number: 'Scalar',
  str: 'string',
  ScalarType: 'DType',
  Layout: 'Layout',
  MemoryFormat: 'MemoryFormat',
  Device: 'Device',
  Generator: 'Generator',
  complex: 'Scalar',
};

/** Values that libtorch accepts for arguments that a schema declares as `str`; the first matching row is used. */
const TEXTS: [operator: RegExp, argument: RegExp, words: string][] = [
  [/./, /^UPLO$/, 'L U'],
  [/./, /^approximate$/, 'none tanh'],
  [/lstsq/, /^driver$/, 'gels gelsy gelsd gelss'],
  [/svd/, /^driver$/, 'gesvd gesvdj gesvda'],
  [/./, /^indexing$/, 'ij xy'],
  [/./, /^interpolation$/, 'linear lower higher midpoint nearest'],
  [/_qr$/, /^mode$/, 'reduced complete r'],
  [/^aten::pad$/, /^mode$/, 'constant reflect replicate circular'],
  [/fft_/, /^norm$/, 'forward backward ortho'],
  [/linalg_(matrix_)?norm$/, /^ord$/, 'fro nuc'],
  [/linalg_cond$/, /^p$/, 'fro nuc'],
  [/./, /^pad_mode$/, 'constant reflect replicate circular'],
  [/conv/, /^padding$/, 'valid same'],
  [/./, /^padding_side$/, 'left right'],
  [/scatter_?$/, /^reduce$/, 'add multiply'],
  [/scatter_reduce_?$/, /^reduce$/, 'sum prod mean amax amin'],
  [/index_reduce_?$/, /^reduce$/, 'prod mean amax amin'],
  [/segment_reduce$/, /^reduce$/, 'sum mean max min prod'],
  [/./, /^rounding_mode$/, 'trunc floor'],
  [/./, /^side$/, 'left right'],
];

/** Returns the values of a text argument as a union type; `string` if any text is allowed. */
function textType(argument: SchemaArgument, schema: Schema): string {
  const row = TEXTS.find(([operator, name]) => operator.test(schema.name) && name.test(argument.name));
  const words = row?.[2].split(' ').map((word) => `'${word}'`);
  return words?.join(' | ') ?? 'string';
}

/** Returns the TypeScript type of an argument. */
export function parameterType(argument: SchemaArgument, schema: Schema): string {
  let type = argument.base === 'str' ? textType(argument, schema) : (ELEMENTS[argument.base] ?? 'never');
  if (argument.base === 'int' && !argument.list) type = 'number | bigint';
  if (argument.list) {
    const inner = argument.elementOptional ? `${type} | null` : type;
    type = `readonly ${inner.includes('|') ? `(${inner})` : inner}[]`;
    if (argument.size !== null && argument.base !== 'Tensor') type = `${ELEMENTS[argument.base]} | ${type}`;
  }
  return argument.optional ? `${type} | null` : type;
}

const RESULTS: Record<string, string> = { bool: 'boolean', str: 'string' };

/** Returns the TypeScript type of an operator's result: a tuple for several results. */
export function resultType(schema: Schema): string {
  const one = ({ type }: { type: string }): string => {
    if (type === 'Tensor[]') return 'Tensor[]';
    if (type.startsWith('Tensor')) return 'Tensor';
    if (type.endsWith('[]')) return 'number[]';
    return RESULTS[type] ?? 'number';
  };
  if (schema.returns.length === 0) return 'void';
  if (schema.returns.length === 1) return one(schema.returns[0]!);
  return `[${schema.returns.map(one).join(', ')}]`;
}
