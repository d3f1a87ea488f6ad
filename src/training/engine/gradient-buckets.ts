/**
 * Gradients that are averaged over all processes while backward computes the rest of them. As PyTorch's reducer does, it
 * averages them in buckets, each as soon as its last gradient is there. The reducer itself (`torch.distributed.Reducer`)
 * does not fit: it averages what a backward has computed, in its dtype, but networks in 16 bits sum up the gradients of
 * several backwards in float32.
 */
import * as torch from '../../torch/index.js';
import { groupBy } from '../../torch/core/group-by.js';
import { itemSize } from '../../torch/core/dtype.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import { registerPostAccumulateGradHook, type HookHandle } from '../../torch/hooks.js';
import type { Tensor } from '../../torch/index.js';

const { allReduce, broadcast } = torch.distributed;

/** A parameter: `computed` has the gradient after backward, `updated`, which may be the same, in the optimizer. */
interface Trained {
  computed: Tensor;
  updated: Tensor;
}

/** Gradients that are averaged together, and the time at which this began in the last step. */
export interface GradientBucket {
  readonly parameters: number;
  readonly bytes: number;
  /** As of `performance.now()`; NaN before the first step. */
  readonly started: number;
}

class Bucket implements GradientBucket {
  readonly trained: readonly Trained[];
  /** Number of gradients that backward has not computed yet. */
  missing = 0;
  started = NaN;
  #running: { flat: Tensor; work: torch.distributed.Work } | null = null;

  constructor(trained: readonly Trained[]) {
    this.trained = trained;
  }

  get parameters(): number {
    return this.trained.length;
  }

  get bytes(): number {
    return this.trained.reduce((sum, { updated }) => sum + bytesOf(updated), 0);
  }

  /** Starts to average, if it has not. */
  start(gradientOf: (trained: Trained) => Tensor | null): void {
    if (this.#running) return;
    this.started = performance.now();
    unrecorded(() => {
      const gradients = this.trained.map(gradientOf);
      const { dtype, device } = this.trained[0]!.updated;
      // A number for each parameter tells whether there is a gradient in any process, so that all send as many elements.
      const found = torch.tensor(
        gradients.map((gradient) => (gradient ? 1 : 0)),
        { dtype, device },
      );
      const parts = gradients.map((gradient, i) => gradient ?? torch.zerosLike(this.trained[i]!.updated));
      const flat = torch.keep(torch.cat([...parts.map((part) => part.detach().reshape([-1])), found]));
      this.#running = { flat, work: allReduce(flat, { op: 'avg', asyncOp: true }) };
    });
  }

  /** Waits for the averages, and writes them over the gradients. */
  finish(): void {
    const { flat, work } = this.#running!;
    work.wait();
    unrecorded(() => {
      const sizes = this.trained.map(({ updated }) => updated.numel());
      const parts = flat.splitWithSizes([...sizes, sizes.length]);
      let found: number[] | null = null;
      for (const [i, { updated }] of this.trained.entries()) {
        const average = parts[i]!.view(updated.shape);
        const { grad } = updated;
        if (grad) grad.copy_(average);
        else if ((found ??= parts.at(-1)!.abs().tolist() as number[])[i]! > 0) updated.grad = average.clone();
      }
    });
    this.forget();
  }

  forget(): void {
    this.#running?.flat.dispose();
    this.#running = null;
  }
}

/** The gradients of an optimizer's parameters; all processes must have the same of them, in the same order. */
export class GradientBuckets {
  readonly #trained: readonly Trained[];
  readonly #capMb: number;
  #buckets: readonly Bucket[];
  #bucketOf: ReadonlyMap<Trained, Bucket>;
  #hooks: readonly HookHandle[] | null = null;
  /** Number of buckets that were started. */
  #started = 0;
  /** The parameters in the order in which the first backward computes them; null once buckets follow it. */
  #arrivals: Set<Trained> | null = new Set();

  constructor(updated: readonly Tensor[], computed: readonly Tensor[], capMb: number) {
    this.#trained = updated.map((tensor, i) => ({ updated: tensor, computed: computed[i]! }));
    this.#capMb = capMb;
    this.#bucketOf = new Map();
    this.#buckets = this.#arrange(this.#trained);
  }

  get buckets(): readonly GradientBucket[] {
    return this.#buckets;
  }

  /** Called before the last backward of a step: its buckets are averaged as soon as they are full. */
  prepareForBackward(): void {
    this.forget();
    for (const bucket of this.#buckets) bucket.missing = bucket.parameters;
    // For this backward only: hooks would keep the parameters alive.
    this.#hooks = this.#trained.map((trained) =>
      registerPostAccumulateGradHook(trained.computed, () => this.#arrived(trained)),
    );
  }

  #arrived(trained: Trained): void {
    // Before the order is known the first bucket may wait for the last gradient, and the others for the first bucket.
    if (this.#arrivals) return void this.#arrivals.add(trained);
    if (--this.#bucketOf.get(trained)!.missing < 0)
      throw new Error('the gradients of a step were computed again after its last backward');
    // All processes must start them in the same order.
    while (this.#buckets[this.#started]?.missing === 0)
      this.#buckets[this.#started++]!.start(computedGradient);
  }

  /** Averages what backward has not, waits for all averages, and writes them over the optimizer's gradients. */
  finish(): void {
    const followed = this.#hooks !== null;
    this.#unhook();
    for (const bucket of this.#buckets) bucket.start(({ updated }) => updated.grad);
    for (const bucket of this.#buckets) bucket.finish();
    if (followed && this.#arrivals) this.#followOrder(this.#arrivals);
  }

  /** Drops what was begun. */
  forget(): void {
    this.#unhook();
    for (const bucket of this.#buckets) bucket.forget();
  }

  #unhook(): void {
    for (const hook of this.#hooks ?? []) hook.remove();
    this.#hooks = null;
    this.#started = 0;
  }

  /** Arranges the buckets in the order of the gradients in the first process; those that did not come are last. */
  #followOrder(arrivals: ReadonlySet<Trained>): void {
    const order = [...new Set([...arrivals, ...this.#trained])].map((trained) =>
      this.#trained.indexOf(trained),
    );
    const agreed = torch.scope(() => {
      const numbers = torch.tensor(order, { dtype: 'float64' });
      broadcast(numbers, 0);
      return numbers.tolist() as number[];
    });
    this.#buckets = this.#arrange(agreed.map((i) => this.#trained[i]!));
    this.#arrivals = null;
  }

  #arrange(order: readonly Trained[]): readonly Bucket[] {
    const buckets = bucketsOf(order, this.#capMb * 2 ** 20);
    this.#bucketOf = new Map(buckets.flatMap((bucket) => bucket.trained.map((trained) => [trained, bucket])));
    return buckets;
  }
}

/** Returns the gradient with what backward has just added, as the optimizer will get it. */
function computedGradient({ computed, updated }: Trained): Tensor | null {
  const { grad } = computed;
  if (computed === updated || !grad) return updated.grad;
  const full = grad.to(updated.dtype);
  return updated.grad ? full.add(updated.grad) : full;
}

const bytesOf = (tensor: Tensor): number => tensor.numel() * itemSize[tensor.dtype];

/** Groups parameters of one dtype and device, in order. The first bucket is small, so that averaging begins early. */
function bucketsOf(order: readonly Trained[], cap: number): Bucket[] {
  const kinds = groupBy(order, ({ updated: { dtype, device } }) => `${dtype} ${device}`);
  return [...kinds.values()].flatMap((alike) => {
    const groups: Trained[][] = [[]];
    let bytes = 0;
    for (const trained of alike) {
      groups.at(-1)!.push(trained);
      bytes += bytesOf(trained.updated);
      // As in PyTorch: closed once it is full, so that a bias next to a large weight does not travel alone.
      if (bytes >= (groups.length === 1 ? Math.min(cap, 2 ** 20) : cap)) [bytes] = [0, groups.push([])];
    }
    return groups.filter((group) => group.length > 0).map((group) => new Bucket(group));
  });
}
