/** Rules for attention and embeddings. */
import { checkOverloads } from '../core/checks.js';
import type { Tensor } from '../core/tensor.js';
import { number } from './given.js';

// The number of query heads is divided by theirs.
checkOverloads(/^aten::scaled_dot_product_attention$/, (given) => {
  if (given('enable_gqa') !== true) return null;
  const empty = ['key', 'value'].find((name) => !((given(name) as Tensor).shape.at(-3)! > 0));
  return empty ? `'${empty}' must have at least one head, in its third dimension from the end` : null;
});

const MODES = ['sum', 'mean', 'max'];

// The first offset is read even if there is none.
checkOverloads(/^aten::embedding_bag/, (given) => {
  const ranks = { weight: 2, indices: 1, offsets: 1 };
  for (const [name, rank] of Object.entries(ranks)) {
    const { ndim } = given(name) as Tensor;
    if (ndim !== rank) return `'${name}' must be ${rank}-dimensional, not ${ndim}-dimensional`;
  }
  const mode: unknown = given('mode') ?? 0;
  return MODES[number(mode)] === undefined
    ? `'mode' must be 0 (sum), 1 (mean) or 2 (max), not ${number(mode)}`
    : null;
});
