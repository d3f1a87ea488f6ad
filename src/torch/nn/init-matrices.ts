import * as torch from '../index.js';
import type { Generator, Tensor } from '../index.js';
import { fill } from './init-switch.js';

export interface RandomOptions {
  generator?: Generator;
}

function expectDims(name: string, tensor: Tensor, least: number, most: number): void {
  if (tensor.ndim >= least && tensor.ndim <= most) return;
  const wanted =
    least === most ? String(least) : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  throw new RangeError(
    `${name} takes a tensor of ${wanted} dimensions, not shape [${tensor.shape.join(', ')}]`,
  );
}

/**
 * Fills a matrix with ones on the diagonal and zeros elsewhere.
 *
 * @example
 * ```ts
 * const rows = nn.init.eye_(torch.empty([2, 3])).tolist(); // [[1, 0, 0], [0, 1, 0]]
 * ```
 */
export function eye_(tensor: Tensor): Tensor {
  expectDims('eye_', tensor, 2, 2);
  return fill(tensor, () => tensor.zero_().fillDiagonal_(1));
}

/**
 * Initialises a convolution that passes its channels through, as far as it has outputs for them; in groups, group by
 * group.
 *
 * @example
 * ```ts
 * const layer = new nn.Conv2d(3, 3, 3, { padding: 1, bias: false });
 * nn.init.dirac_(layer.weight);
 * const same = layer.forward(torch.ones([3, 1, 2])).tolist(); // [[[1, 1]], [[1, 1]], [[1, 1]]]
 * ```
 */
export function dirac_(tensor: Tensor, groups = 1): Tensor {
  expectDims('dirac_', tensor, 3, 5);
  const [outputs = 0, inputs = 0, ...kernel] = tensor.shape;
  if (outputs % groups !== 0)
    throw new RangeError(`dirac_: ${outputs} output channels are not divisible into ${groups} groups`);
  const each = outputs / groups;
  return fill(tensor, () => {
    tensor.zero_();
    for (let group = 0; group < groups; group++) {
      for (let channel = 0; channel < Math.min(each, inputs); channel++) {
        let place = tensor.select(0, group * each + channel).select(0, channel);
        for (const size of kernel) place = place.select(0, Math.floor(size / 2));
        place.fill_(1);
      }
    }
  });
}

/**
 * Fills a tensor, with all dimensions but the first flattened, with a (semi-)orthogonal matrix times gain (Saxe et al.,
 * arXiv 1312.6120).
 *
 * @example
 * ```ts
 * const q = nn.init.orthogonal_(torch.empty([2, 8]));
 * const products = q.matmul(q.t()).sum([0]).tolist(); // [1, 1]
 * ```
 */
export function orthogonal_(tensor: Tensor, gain = 1, options: RandomOptions = {}): Tensor {
  expectDims('orthogonal_', tensor, 2, Infinity);
  const count = tensor.numel();
  if (count === 0) return tensor;
  const rows = tensor.shape[0] as number;
  const columns = count / rows;
  return fill(tensor, () => {
    const place = { dtype: tensor.dtype, device: tensor.device };
    const normal = torch
      .empty([rows, columns], place)
      .normal_(0, 1, { generator: options.generator ?? null });
    const [q, r] = torch.linalgQr(rows < columns ? normal.t() : normal);
    // The signs of the diagonal make the distribution uniform (Mezzadri, arXiv math-ph/0609050).
    const signed = q.mul(r.diagonal().sign());
    tensor.copy_((rows < columns ? signed.t() : signed).reshape(tensor.shape)).mul_(gain);
  });
}

/**
 * Fills a matrix from a normal distribution, with a share of zeros in every column (Martens, 2010).
 *
 * @example
 * ```ts
 * const weight = nn.init.sparse_(torch.empty([10, 4]), 0.9);
 * const zeros = weight.eq(0).sum([0]).tolist(); // [9, 9, 9, 9]
 * ```
 */
export function sparse_(tensor: Tensor, sparsity: number, std = 0.01, options: RandomOptions = {}): Tensor {
  expectDims('sparse_', tensor, 2, 2);
  const [rows = 0, columns = 0] = tensor.shape;
  const zeros = Math.ceil(sparsity * rows);
  return fill(tensor, () => {
    tensor.normal_(0, std, { generator: options.generator ?? null });
    for (let column = 0; column < columns; column++) {
      const chosen = torch.randperm(rows).narrow(0, 0, zeros).to(tensor.device);
      tensor.select(1, column).indexFill_(0, chosen, 0);
    }
  });
}
