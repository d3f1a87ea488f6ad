import type { Schema } from '../../../../src/torch/core/schema.js';
import { overloadName } from '../check.js';
import type { Sample, Samples } from '../sample.js';
import { backends } from './backends.js';
import { layers } from './layers.js';
import { linalg } from './linalg.js';
import { losses } from './losses.js';
import { shape } from './shape.js';
import { sparse } from './sparse.js';

const written: Samples = { ...linalg, ...layers, ...losses, ...shape, ...sparse, ...backends };

/** The sample written by hand for an overload, or for the one that it is the form in place of. */
export function writtenSample(schema: Schema): Sample | undefined {
  const name = overloadName(schema);
  const make = written[name] ?? written[name.replace(/_(?=\.|$)/, '')];
  if (!make) return undefined;
  const sample = make();
  return 'args' in sample ? sample : { args: sample };
}

/** Names in the tables, for the check that each is an overload. */
export const writtenNames: readonly string[] = Object.keys(written);
