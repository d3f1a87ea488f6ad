import { ABOVE_ONE, Derived, fixed, leaf, type Samples, UNIT } from '../sample.js';

const scores = (rows = 3, classes = 4) => leaf([rows, classes], [-2, -0.1]);
const weight = () => fixed([0.5, 1, 2, 1.5], 'float64');
const signs = () => fixed([1, -1, 1], 'float64');

/** Samples of losses: targets are class numbers, signs or probabilities, and no inputs of the check. */
export const losses: Samples = {
  nll_loss: () => [scores(), fixed([0, 3, 1]), weight()],
  nll_loss_forward: () => [scores(), fixed([0, 3, 1]), weight(), 1, -100],
  nll_loss_nd: () => [scores(), fixed([0, 3, 1]), weight()],
  nll_loss2d: () => [leaf([1, 4, 1, 2], [-2, -0.1]), fixed([[[0, 3]]]), weight()],
  nll_loss2d_forward: () => [leaf([1, 4, 1, 2], [-2, -0.1]), fixed([[[0, 3]]]), weight(), 1, -100],
  cross_entropy_loss: () => [scores(), fixed([0, 3, 1]), weight()],
  multi_margin_loss: () => [scores(), fixed([0, 3, 1])],
  multilabel_margin_loss: () => [scores(1), fixed([[1, 3, -1, 0]])],
  multilabel_margin_loss_forward: () => [scores(1), fixed([[1, 3, -1, 0]]), 1],
  soft_margin_loss: () => [leaf([3]), signs()],
  hinge_embedding_loss: () => [leaf([3]), signs()],
  margin_ranking_loss: () => [leaf([3]), leaf([3], undefined, 1), signs()],
  cosine_embedding_loss: () => [leaf([3, 2]), leaf([3, 2], undefined, 1), signs()],
  binary_cross_entropy: () => [leaf([3], UNIT), leaf([3], UNIT, 1)],
  binary_cross_entropy_with_logits: () => [leaf([3]), leaf([3], UNIT, 1)],
  poisson_nll_loss: () => [leaf([3]), leaf([3], ABOVE_ONE, 1), true, false, 1e-8, 1],
  kl_div: () => [leaf([3], [-2, -0.1]), leaf([3], UNIT, 1)],
  'ctc_loss.IntList': () => [logProbabilities(), fixed([[1, 2]]), [4], [2]],
  'ctc_loss.Tensor': () => [logProbabilities(), fixed([[1, 2]]), fixed([4]), fixed([2])],
};

// The recurrence of the loss is defined for any numbers; libtorch's formula takes them for logarithms of
// probabilities that sum to one, so they are made so.
function logProbabilities() {
  return new Derived(leaf([4, 1, 3]), (x) => x.logSoftmax(-1));
}
