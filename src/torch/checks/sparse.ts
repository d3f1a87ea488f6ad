/**
 * Rules for operators that make sparse tensors. libtorch can check their indices, but does so only on request;
 * unchecked indices make every later operator read outside its memory.
 */
import { checkOverloads, type Given } from '../core/checks.js';
import { compressedIndices, type Layout } from '../core/layout.js';
import { callOperator } from '../core/dispatch.js';
import { scope } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';

function largestIndex(indices: Tensor): number {
  return indices.numel() === 0 ? -1 : scope(() => indices.max().item());
}

/** Returns the size that libtorch uses by default: the smallest that the indices allow. */
function impliedSize(compressed: Tensor, plain: Tensor, values: Tensor, layout: Layout): number[] {
  const batch = compressed.shape.slice(0, -1);
  const blocks = layout === 'sparse_bsr' || layout === 'sparse_bsc';
  const behind = batch.length + 1;
  const [height, width] = blocks ? values.shape.slice(behind, behind + 2) : [1, 1];
  const dense = values.shape.slice(behind + (blocks ? 2 : 0));
  const counts = [(compressed.shape.at(-1) ?? 0) - 1, largestIndex(plain) + 1];
  const [rows, columns] = layout === 'sparse_csr' || layout === 'sparse_bsr' ? counts : counts.reverse();
  return [...batch, rows! * (height ?? 1), columns! * (width ?? 1), ...dense];
}

function check(given: Given, compressed: Tensor, plain: Tensor, layout: Layout): null {
  const values = given('values') as Tensor;
  const size: unknown = given('size') ?? impliedSize(compressed, plain, values, layout);
  const args = [compressed, plain, values, size, layout];
  callOperator('aten::_validate_sparse_compressed_tensor_args', '', args);
  return null;
}

// The operator's name gives the layout.
for (const layout of Object.keys(compressedIndices) as Layout[]) {
  const [compressed, plain] = compressedIndices[layout]!;
  checkOverloads(new RegExp(`^aten::${layout}_tensor\\.`), (given) =>
    check(given, given(compressed) as Tensor, given(plain) as Tensor, layout),
  );
}

// The layout is an argument.
checkOverloads(/^aten::sparse_compressed_tensor\./, (given) => {
  const layout: unknown = given('layout');
  if (typeof layout !== 'string' || !(layout in compressedIndices))
    return `'layout' must be one of ${Object.keys(compressedIndices).join(', ')}`;
  const [compressed, plain] = [given('compressed_indices') as Tensor, given('plain_indices') as Tensor];
  return check(given, compressed, plain, layout as Layout);
});

// libtorch's own limit.
const MOST_DIMENSIONS = 64;

// Each row of the indices is a dimension; libtorch loops over billions of them.
checkOverloads(/^aten::sparse_coo_tensor\.indices/, (given) => {
  const { ndim, shape } = given('indices') as Tensor;
  if (ndim !== 2) return `'indices' must have 2 dimensions, not ${ndim}`;
  return shape[0]! <= MOST_DIMENSIONS
    ? null
    : `a tensor has at most ${MOST_DIMENSIONS} dimensions, not ${shape[0]}`;
});

checkOverloads(/^aten::sparse_coo_tensor\.indices_size$/, (given) => {
  const args = [given('indices'), given('values'), given('size'), given('is_coalesced') ?? null];
  callOperator('aten::_validate_sparse_coo_tensor_args', '', args);
  return null;
});
