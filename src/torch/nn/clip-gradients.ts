import { groupBy } from '../core/group-by.js';
import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

function gradientsOf(parameters: Iterable<Tensor> | Tensor): Map<string, Tensor[]> {
  const all = parameters instanceof torch.Tensor ? [parameters] : [...parameters];
  const gradients = all.map(({ grad }) => grad).filter((gradient) => gradient !== null);
  return groupBy(gradients, ({ device, dtype }) => `${device} ${dtype}`);
}

/**
 * Scales all gradients so that their total norm is at most `maxNorm`. Does not wait for the device unless
 * `errorIfNonfinite` is set.
 *
 * @param options.normType Infinity for the largest magnitude. Default 2.
 * @param options.errorIfNonfinite throw if the norm is infinite or NaN, before anything is scaled. Default false.
 * @returns the norm before scaling, a tensor without dimensions
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * model.forward(torch.randn([4, 8])).square().sum().backward();
 * const norm = nn.clipGradNorm_(model.parameters(), 1); // []
 * ```
 */
export function clipGradNorm_(
  parameters: Iterable<Tensor> | Tensor,
  maxNorm: number,
  { normType = 2, errorIfNonfinite = false }: { normType?: number; errorIfNonfinite?: boolean } = {},
): Tensor {
  return unrecorded(() => {
    const lists = [...gradientsOf(parameters).values()];
    const first = lists[0]?.[0];
    if (first === undefined) return torch.zeros([]);
    const order = torch.floatScalar(normType);
    const norms = lists.flatMap(
      (list) => torch.callOperator('aten::_foreach_norm', 'Scalar', [list, order]) as Tensor[],
    );
    const together = torch.stack(norms.map((norm) => norm.to(first.device)));
    const total = torch.linalgVectorNorm(together, normType);
    if (errorIfNonfinite && !Number.isFinite(total.item()))
      throw new torch.TorchError(
        `the gradients' norm is ${total.item()}; it cannot be clipped. Find the operator that caused it with torch.detectAnomaly`,
      );
    // Multiplies by 1 instead of branching, to avoid waiting for the device.
    const factor = total.add(1e-6).reciprocal().mul(maxNorm).clampMax(1);
    for (const list of lists) {
      const [{ device }] = list as [Tensor];
      torch.callOperator('aten::_foreach_mul_', 'Tensor', [list, factor.to(device)]);
    }
    return total;
  });
}

/**
 * Clamps every element of every gradient to [−clipValue, clipValue].
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * model.forward(torch.randn([4, 8])).square().sum().backward();
 * nn.clipGradValue_(model.parameters(), 0.5);
 * ```
 */
export function clipGradValue_(parameters: Iterable<Tensor> | Tensor, clipValue: number): void {
  unrecorded(() => {
    for (const list of gradientsOf(parameters).values()) {
      torch.callOperator('aten::_foreach_clamp_min_', 'Scalar', [list, -clipValue]);
      torch.callOperator('aten::_foreach_clamp_max_', 'Scalar', [list, clipValue]);
    }
  });
}
