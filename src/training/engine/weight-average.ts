import * as torch from '../../torch/index.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import type { Tensor } from '../../torch/index.js';
import * as foreach from '../../torch/optim/foreach.js';
import { MasterWeights } from './precision.js';

/** A weight of the network, the tensor that training updates (a float32 master, or the weight), and their average. */
interface Averaged {
  weight: Tensor;
  trained: Tensor;
  average: Tensor;
}

/**
 * The exponential moving average of a model's weights: call `update` after every step, and `use(…)` to run the model
 * with the averaged weights. Early on, when most of the average would be the initial weights, it keeps less of itself:
 * min(decay, (1 + n) / (10 + n)) at update n, as in latent diffusion. Weights that are not floating-point are copied.
 *
 * @example
 * ```ts
 * const { model } = await openRun('runs/mine', 'vqgan');
 * const average = new WeightAverage(model.stateDict(), 0.999);
 * // after step n of a loop, counted from 1
 * average.update(1);
 * const { indices } = average.use(() => model.encode(torch.zeros([1, 3, 64, 64])));
 * ```
 */
export class WeightAverage extends torch.InThread {
  readonly #decay: number;
  readonly #entries = new Map<string, Averaged>();

  /**
   * @param weights weights by key, which start the average
   * @param decay share of the average that an update keeps, in [0, 1)
   * @param masters float32 masters of those that are bfloat16
   */
  constructor(
    weights: ReadonlyMap<string, Tensor>,
    decay: number,
    masters: MasterWeights = new MasterWeights(),
  ) {
    super('a moving average of weights', 'save its weights');
    if (!(decay >= 0 && decay < 1)) throw new RangeError(`decay must be a number in [0, 1), got ${decay}`);
    this.#decay = decay;
    const trained = masters.stateDict(weights);
    for (const [key, weight] of weights) {
      const own = trained.get(key)!;
      const average = torch.noGrad(() => torch.keep(own.detach().clone()));
      this.#entries.set(key, { weight, trained: own, average });
    }
  }

  /** The averages by key: the tensors themselves, which loading a checkpoint may write to. */
  get weights(): Map<string, Tensor> {
    return new Map([...this.#entries].map(([key, { average }]) => [key, average]));
  }

  /**
   * Moves the average towards the weights as they are. Does not wait for the device.
   *
   * @param count number of steps so far, with this one
   */
  update(count: number): void {
    const share = 1 - Math.min(this.#decay, (1 + count) / (10 + count));
    const lists = new Map<string, [averages: Tensor[], trained: Tensor[]]>();
    torch.noGrad(() => {
      for (const { average, trained } of this.#entries.values()) {
        if (!trained.dtype.includes('float')) {
          average.copy_(trained);
          continue;
        }
        const kind = `${trained.dtype} ${trained.device}`;
        if (!lists.has(kind)) lists.set(kind, [[], []]);
        const [averages, current] = lists.get(kind)!;
        averages.push(average);
        current.push(trained);
      }
      for (const [averages, current] of lists.values()) foreach.lerp_(averages, current, share);
    });
  }

  /** Calls `fn` while the model has the averaged weights; those of a promise until it is settled. */
  use<T>(fn: () => T): T {
    const restore = this.#exchange();
    let result: T;
    try {
      result = fn();
    } catch (error) {
      restore();
      throw error;
    }
    if (result instanceof Promise) return result.finally(restore) as T;
    restore();
    return result;
  }

  /** Puts the averages into the model, and returns a function that puts its own weights back. */
  #exchange(): () => void {
    const entries = [...this.#entries.values()];
    const own = torch.noGrad(() => entries.map(({ weight }) => torch.keep(weight.detach())));
    unrecorded(() => {
      for (const { weight, average } of entries) weight.data = average.to(weight.dtype);
    });
    return () => {
      for (const [i, { weight }] of entries.entries()) weight.data = own[i]!;
      torch.dispose(own);
    };
  }

  /** Releases the averages; otherwise the garbage collector does. */
  dispose(): void {
    torch.dispose([...this.#entries.values()].map(({ average }) => average));
    this.#entries.clear();
  }
}
