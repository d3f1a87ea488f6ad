import type { TensorData } from '../../../src/torch/creation.js';
import type { Schema, SchemaArgument } from '../../../src/torch/core/schema.js';
import { ABOVE_ONE, ANY, fixed, leaf, UNIT, type Domain, type Sample } from './sample.js';

const SHAPES = [[3], [2, 3], [3, 3], [1, 2, 4], [1, 2, 4, 4], [1, 2, 3, 3, 3], []];
const DOMAINS: Record<string, Domain> = { any: ANY, unit: UNIT, above: ABOVE_ONE };

/** The samples that are tried for an overload that has none written by hand, by name. */
export function genericSamples(schema: Schema): Map<string, Sample> {
  const samples = new Map<string, Sample>();
  for (const shape of SHAPES) {
    for (const [name, domain] of Object.entries(DOMAINS)) {
      const sample = sampleOf(schema, shape, domain);
      if (!sample) return samples;
      samples.set(`[${shape.join(', ')}] ${name}`, sample);
    }
  }
  return samples;
}

function sampleOf(schema: Schema, shape: readonly number[], domain: Domain): Sample | undefined {
  const args: unknown[] = [];
  const kwargs: Record<string, unknown> = {};
  for (const [index, argument] of schema.arguments.entries()) {
    const optional = argument.default !== null || (argument.optional && argument.base !== 'Tensor');
    const value = argument.default === null ? valueOf(argument, shape, domain, index) : undefined;
    if (value === undefined && !optional) return undefined;
    if (argument.keywordOnly) kwargs[argument.name] = value;
    else args.push(value);
  }
  return { args, kwargs };
}

/** A value for an argument that must be given; undefined where only a hand-written sample knows one. */
function valueOf(argument: SchemaArgument, shape: readonly number[], domain: Domain, seed: number): unknown {
  const { base, name, list, size } = argument;
  if (base === 'Tensor') {
    if (/ind(ex|ices)/.test(name)) return fixed(list ? [[0, 1]] : [0, 1]);
    if (name === 'mask' || name === 'condition')
      return fixed(shape.length > 0 ? alternating(shape) : true, 'bool');
    return list ? [leaf(shape, domain, seed), leaf(shape, domain, seed + 1)] : leaf(shape, domain, seed);
  }
  if (list) {
    if (base === 'Scalar') return [0.7, 1.3];
    if (base !== 'int') return undefined;
    if (name.startsWith('dim')) return [0];
    if (name === 'size' || name === 'shape') return shape;
    if (/kernel|output_size/.test(name)) return Array.from({ length: size ?? 1 }, () => 2);
    return undefined;
  }
  switch (base) {
    case 'Scalar':
      return 0.7;
    case 'float':
      return 0.6;
    case 'bool':
      return false;
    case 'int':
      return /^dim|start|axis/.test(name) ? 0 : 1;
    default:
      return undefined;
  }
}

function alternating(shape: readonly number[]): TensorData[] {
  const [first = 0, ...rest] = shape;
  return Array.from({ length: first }, (_, i) => (rest.length > 0 ? alternating(rest) : i % 2 === 0));
}
