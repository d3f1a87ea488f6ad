import { native } from '../src/torch/native/load.js';
import { parseSchema, type Schema, type SchemaArgument } from '../src/torch/core/schema.js';

/**
 * Returns the operators that become functions and methods, each with its overloads: without a leading underscore, `out`
 * variants and backward formulas, and with only arguments that JavaScript can pass.
 */
export function publicOperators(): Map<string, Schema[]> {
  const operators = new Map<string, Schema[]>();
  for (const text of native.schemas()) {
    if (!text.startsWith('aten::')) continue;
    const schema = parseSchema(text);
    const name = schema.name.slice('aten::'.length);
    if (isPublic(name, schema)) operators.set(name, [...(operators.get(name) ?? []), schema]);
  }
  return operators;
}

function isPublic(name: string, schema: Schema): boolean {
  if (name.startsWith('_') || name.includes('_backward') || name.endsWith('.out')) return false;
  if (schema.arguments.some((argument) => argument.written !== null && argument.keywordOnly)) return false;
  if (/(^|_)out$/.test(schema.overload) || schema.arguments.some((argument) => argument.name === 'out'))
    return false;
  return (
    schema.arguments.every(isTypable) &&
    schema.returns.every((result) => !/Dict|QScheme|Future|Any|__torch__|Stream/.test(result.type))
  );
}

const TYPABLE = new Set([
  'Tensor',
  'int',
  'float',
  'bool',
  'Scalar',
  'str',
  'ScalarType',
  'Layout',
  'MemoryFormat',
  'Device',
  'Generator',
  'complex',
  'number',
]);

function isTypable({ base, default: fallback, optional }: SchemaArgument): boolean {
  return TYPABLE.has(base) || (optional && fallback !== null && base !== 'Dimname');
}
