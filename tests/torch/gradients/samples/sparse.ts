import * as torch from '../../../../src/torch/index.js';
import { Derived, fixed, leaf, type Samples } from '../sample.js';

const matrix = () => leaf([2, 3]);

const dense = ([result]: readonly unknown[]) => (result as torch.Tensor).toDense();
const coo = () => new Derived(leaf([2, 3]), (x) => x.toSparse());
const csr = () => new Derived(leaf([2, 3]), (x) => x.toSparseCsr());
const values = (shape: number[] = [3]) => leaf(shape);

/** Samples of sparse tensors: made from a dense leaf by operators, compared dense. */
export const sparse: Samples = {
  to_sparse: () => ({ args: [matrix()], compare: dense }),
  'to_sparse.sparse_dim': () => ({ args: [matrix(), 1], compare: dense }),
  to_sparse_csr: () => ({ args: [matrix()], compare: dense }),
  to_sparse_csc: () => ({ args: [matrix()], compare: dense }),
  to_sparse_bsr: () => ({ args: [leaf([2, 4]), [1, 2]], compare: dense }),
  to_sparse_bsc: () => ({ args: [leaf([2, 4]), [1, 2]], compare: dense }),
  to_mkldnn: () => ({ args: [matrix()], compare: dense }),
  to_dense: () => [coo()],
  coalesce: () => ({ args: [coo()], compare: dense }),
  is_coalesced: () => [coo()],
  values: () => [coo()],
  values_copy: () => [coo()],
  indices: () => [coo()],
  indices_copy: () => [coo()],
  crow_indices: () => [csr()],
  crow_indices_copy: () => [csr()],
  col_indices: () => [csr()],
  col_indices_copy: () => [csr()],
  ccol_indices: () => [new Derived(matrix(), (x) => x.toSparseCsc())],
  ccol_indices_copy: () => [new Derived(matrix(), (x) => x.toSparseCsc())],
  row_indices: () => [new Derived(matrix(), (x) => x.toSparseCsc())],
  row_indices_copy: () => [new Derived(matrix(), (x) => x.toSparseCsc())],
  'sparse_coo_tensor.indices': () => ({
    args: [
      fixed([
        [0, 1, 1],
        [2, 0, 2],
      ]),
      values(),
    ],
    compare: dense,
  }),
  'sparse_coo_tensor.indices_size': () => ({
    args: [
      fixed([
        [0, 1, 1],
        [2, 0, 2],
      ]),
      values(),
      [2, 3],
    ],
    compare: dense,
  }),
  'sparse_csr_tensor.crow_col_value': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), 'float64'],
    compare: dense,
  }),
  'sparse_csr_tensor.crow_col_value_size': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), [2, 3], 'float64'],
    compare: dense,
  }),
  'sparse_csc_tensor.ccol_row_value': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), 'float64'],
    compare: dense,
  }),
  'sparse_csc_tensor.ccol_row_value_size': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), [3, 2], 'float64'],
    compare: dense,
  }),
  'sparse_bsr_tensor.crow_col_value': () => ({
    args: [fixed([0, 1, 2]), fixed([0, 1]), values([2, 1, 2]), 'float64'],
    compare: dense,
  }),
  'sparse_bsr_tensor.crow_col_value_size': () => ({
    args: [fixed([0, 1, 2]), fixed([0, 1]), values([2, 1, 2]), [2, 4], 'float64'],
    compare: dense,
  }),
  'sparse_bsc_tensor.ccol_row_value': () => ({
    args: [fixed([0, 1, 2]), fixed([0, 1]), values([2, 2, 1]), 'float64'],
    compare: dense,
  }),
  'sparse_bsc_tensor.ccol_row_value_size': () => ({
    args: [fixed([0, 1, 2]), fixed([0, 1]), values([2, 2, 1]), [4, 2], 'float64'],
    compare: dense,
  }),
  'sparse_compressed_tensor.comp_plain_value': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), 'float64', 'sparse_csr'],
    compare: dense,
  }),
  'sparse_compressed_tensor.comp_plain_value_size': () => ({
    args: [fixed([0, 1, 3]), fixed([2, 0, 2]), values(), [2, 3], 'float64', 'sparse_csr'],
    compare: dense,
  }),
  sparse_mask: () => ({
    args: [
      matrix(),
      torch
        .tensor(
          [
            [1, 0, 1],
            [0, 1, 0],
          ],
          { dtype: 'float64' },
        )
        .toSparse()
        .coalesce(),
    ],
    compare: dense,
  }),
  sparse_sampled_addmm: () => ({
    args: [csr(), leaf([2, 2], undefined, 1), leaf([2, 3], undefined, 2)],
    compare: dense,
  }),
  sparse_resize: () => ({ args: [coo(), [3, 4], 2, 0], compare: dense }),
  sparse_resize_and_clear: () => ({ args: [coo(), [3, 4], 2, 0], compare: dense }),
  resize_as_sparse: () => ({ args: [coo(), coo()], compare: dense }),
  copy_sparse_to_sparse: () => ({ args: [coo(), coo()], compare: dense }),
  smm: () => ({ args: [coo(), leaf([3, 2], undefined, 1)], compare: dense }),
  hspmm: () => ({ args: [coo(), leaf([3, 2], undefined, 1)], compare: dense }),
  sspaddmm: () => ({
    args: [new Derived(leaf([2, 2]), (x) => x.toSparse()), coo(), leaf([3, 2], undefined, 1)],
    compare: dense,
  }),
  sparse_dim: () => [coo()],
  dense_dim: () => [coo()],
  nested_to_padded_tensor: () => [matrix(), 0],
};
