import { complex, Derived, fixed, leaf, positiveDefinite, type Samples, UNIT } from '../sample.js';

const matrix = (rows = 3, columns = rows, seed = 0) => leaf([rows, columns], undefined, seed);
const only =
  (...places: number[]) =>
  (results: readonly unknown[]) =>
    places.map((place) => results[place]);

/** Factors of an LU decomposition, as one matrix whose elements are the inputs. */
const factors = () => new Derived(matrix(), (x) => x.add(x.diag().diagEmbed().mul(3)));
const pivots = () => fixed([1, 2, 3], 'int32');

/** Samples of linear algebra that need shapes of their own. */
export const linalg: Samples = {
  'linalg_norm.ord_str': () => [matrix(), 'fro'],
  'linalg_cond.p_str': () => [matrix(), 'fro'],
  linalg_tensorinv: () => [leaf([2, 3, 6])],
  linalg_tensorsolve: () => [leaf([2, 3, 6]), leaf([2, 3], undefined, 1)],
  linalg_lstsq: () => ({ args: [matrix(4, 3), matrix(4, 2, 1)], compare: only(0) }),
  linalg_matrix_norm: () => [matrix(), 2],
  'linalg_pinv.rcond_tensor': () => [matrix(), fixed(1e-9, 'float64')],
  linalg_cholesky: () => [positiveDefinite(3)],
  linalg_cholesky_ex: () => ({ args: [positiveDefinite(3)], compare: only(0) }),
  cholesky: () => [positiveDefinite(3)],
  cholesky_inverse: () => [new Derived(matrix(), (x) => x.tril().add(x.diag().diagEmbed().mul(3)))],
  cholesky_solve: () => [
    matrix(3, 2),
    new Derived(matrix(3, 3, 1), (x) => x.tril().add(x.diag().abs().add(1).diagEmbed())),
  ],
  linalg_ldl_solve: () => [positiveDefinite(3), pivots(), matrix(3, 2, 1)],
  linalg_householder_product: () => [matrix(4, 3), leaf([3], UNIT, 1)],
  orgqr: () => [matrix(4, 3), leaf([3], UNIT, 1)],
  ormqr: () => [matrix(3, 3), leaf([3], UNIT, 1), matrix(3, 2, 2)],
  linalg_lu_solve: () => [factors(), pivots(), matrix(3, 2, 1)],
  lu_solve: () => [matrix(3, 2, 1), factors(), pivots()],
  lu_unpack: () => [factors(), pivots()],
  linalg_qr: () => [matrix(4, 3)],
  qr: () => [matrix(4, 3)],
  // Vectors are unique up to a sign or phase only: what does not depend on it.
  linalg_eig: () => ({
    args: [matrix()],
    compare: ([values, vectors]) => [values, (vectors as Derived['from']).abs()],
  }),
  linalg_eigh: () => ({ args: [positiveDefinite(3)], compare: absolute }),
  linalg_eigvalsh: () => [positiveDefinite(3)],
  linalg_svd: () => ({ args: [matrix(3, 3), false], compare: absolute }),
  svd: () => ({ args: [matrix(3, 3)], compare: absolute }),
  pinverse: () => [matrix(4, 3)],
  linalg_pinv: () => [matrix(4, 3), 1e-9],
  logdet: () => [positiveDefinite(3)],
  linalg_slogdet: () => [matrix()],
  slogdet: () => [matrix()],
  linalg_multi_dot: () => [[matrix(2, 3), matrix(3, 2, 1), matrix(2, 3, 2)]],
  chain_matmul: () => [[matrix(2, 3), matrix(3, 2, 1), matrix(2, 3, 2)]],
  triangular_solve: () => [matrix(3, 2), matrix(3, 3, 1)],
  linalg_solve_triangular: () => [matrix(3, 3), matrix(3, 2, 1), true],
  geqrf: () => [matrix()],
  bilinear: () => [matrix(4, 2), matrix(4, 3, 1), leaf([2, 2, 3], undefined, 2), leaf([2], undefined, 3)],
  baddbmm: () => [leaf([2, 2, 2]), leaf([2, 2, 3], undefined, 1), leaf([2, 3, 2], undefined, 2), 0.7, 1.3],
  addbmm: () => [leaf([2, 2]), leaf([2, 2, 3], undefined, 1), leaf([2, 3, 2], undefined, 2), 0.7, 1.3],
  addmm: () => [leaf([2, 2]), matrix(2, 3, 1), matrix(3, 2, 2), 0.7, 1.3],
  addmv: () => [leaf([2]), matrix(2, 3, 1), leaf([3], undefined, 2), 0.7, 1.3],
  addr: () => [matrix(2, 3), leaf([2], undefined, 1), leaf([3], undefined, 2), 0.7, 1.3],
  mv: () => [matrix(2, 3), leaf([3], undefined, 1)],
  mm: () => [matrix(2, 3), matrix(3, 2, 1)],
  bmm: () => [leaf([2, 2, 3]), leaf([2, 3, 2], undefined, 1)],
  // Other result types than the operands' exist on CUDA only; with the same one these are mm, bmm and so on.
  'mm.dtype': () => [matrix(2, 3), matrix(3, 2, 1), 'float64'],
  'bmm.dtype': () => [leaf([2, 2, 3]), leaf([2, 3, 2], undefined, 1), 'float64'],
  'addmm.dtype': () => [leaf([2, 2]), matrix(2, 3, 1), matrix(3, 2, 2), 'float64'],
  'baddbmm.dtype': () => [
    leaf([2, 2, 2]),
    leaf([2, 2, 3], undefined, 1),
    leaf([2, 3, 2], undefined, 2),
    'float64',
  ],
  einsum: () => ['ij,jk->ik', [matrix(2, 3), matrix(3, 2, 1)]],
  tensordot: () => [matrix(2, 3), matrix(3, 2, 1), [1], [0]],
  'nuclear_norm.dim': () => [matrix(), [0, 1]],
  'norm.ScalarOpt_dim_dtype': () => [matrix(2, 3), 2, [1], false, 'float64'],
  'norm.ScalarOpt_dtype': () => [matrix(2, 3), 3, 'float64'],
  cross: () => [matrix(2, 3), matrix(2, 3, 1)],
  linalg_cross: () => [matrix(2, 3), matrix(2, 3, 1)],
  vdot: () => [leaf([3]), leaf([3], undefined, 1)],
  view_as_real: () => [complex([3])],
  view_as_real_copy: () => [complex([3])],
  view_as_complex: () => [leaf([3, 2])],
  view_as_complex_copy: () => [leaf([3, 2])],
  imag: () => [complex([3])],
  conj: () => [complex([3])],
  conj_physical: () => [complex([3])],
  resolve_conj: () => [complex([3])],
  adjoint: () => [complex([2, 3])],
};

function absolute(results: readonly unknown[]): unknown {
  return results.map((result) => (result as Derived['from']).abs());
}
