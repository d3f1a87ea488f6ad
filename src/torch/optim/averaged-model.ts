import { InThread } from '../core/in-thread.js';
import { sameShape } from '../core/layout.js';
import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import type { Module } from '../nn/module.js';
import { loadEntries } from '../nn/state-dict.js';
import type { StateSource } from '../nn/state-dict.js';
import * as foreach from './foreach.js';

export interface AveragedModelOptions {
  /** Share of the average that an update keeps; null: all updates count equally. Default null. */
  decay?: number | null;
  /** Average buffers too; otherwise they are copied from the model. Default false. */
  useBuffers?: boolean;
}

/**
 * The average of a model's weights over training: call `update()` after every optimizer step, and `use(…)` to run the
 * model with the averaged weights. State dicts are compatible with torch.optim.swa_utils.AveragedModel.
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const averaged = new optim.AveragedModel(model);
 * // … after each step of an optimizer:
 * averaged.update();
 * const y = averaged.use(() => model.forward(torch.randn([4, 8]))); // [4, 2]
 * ```
 */
export class AveragedModel extends InThread {
  readonly decay: number | null;
  readonly useBuffers: boolean;
  /** Number of updates so far: int64, shape []. */
  readonly nAveraged: Tensor;
  readonly #model: Module;
  /** The averages under the model's keys. */
  readonly #averages: Map<string, Tensor>;

  constructor(model: Module, { decay = null, useBuffers = false }: AveragedModelOptions = {}) {
    super('an averaged model', 'save its stateDict() with savePytorch');
    if (decay !== null && !(decay >= 0 && decay <= 1))
      throw new torch.ArgumentError(`${this.constructor.name}: decay must be in [0, 1], not ${decay}`);
    this.decay = decay;
    this.useBuffers = useBuffers;
    this.#model = model;
    this.nAveraged = torch.keep(torch.zeros([], { dtype: 'int64' }));
    this.#averages = torch.noGrad(
      () =>
        new Map([...model.stateDict()].map(([key, tensor]) => [key, torch.keep(tensor.detach().clone())])),
    );
  }

  /** Adds the model's current weights to the averages; the first update copies them. */
  update(): void {
    const count = this.nAveraged.item();
    const averaged = new Map<string, [Tensor[], Tensor[]]>();
    const parameters = new Set<Tensor>(this.#model.parameters());
    unrecorded(() => {
      for (const [key, current] of this.#model.stateDict()) {
        const average = this.#averages.get(key);
        if (average === undefined)
          throw new torch.ArgumentError(
            `the model has a tensor ${key} that was added after the averages were created`,
          );
        this.#follow(average, current);
        const mean = count > 0 && (this.useBuffers || parameters.has(current));
        if (!mean) {
          average.copy_(current);
        } else if (/float/.test(current.dtype)) {
          const kind = `${current.dtype} ${current.device}`;
          const lists = averaged.get(kind) ?? [[], []];
          lists[0].push(average);
          lists[1].push(current);
          averaged.set(kind, lists);
        } else {
          average.copy_(average.mul(1 - this.#weight(count)).add(current.mul(this.#weight(count))));
        }
      }
      for (const [averages, current] of averaged.values())
        foreach.lerp_(averages, current, this.#weight(count));
      this.nAveraged.add_(1);
    });
  }

  #weight(count: number): number {
    return this.decay === null ? 1 / (count + 1) : 1 - this.decay;
  }

  /** Moves an average to where the model's tensor is now; the kernels for lists do not check shapes. */
  #follow(average: Tensor, current: Tensor): void {
    const shape = current.shape;
    if (!sameShape(average.shape, shape)) {
      throw new torch.ShapeError(
        `an average has shape [${average.shape.join(', ')}], but the tensor has shape [${shape.join(', ')}]`,
      );
    }
    if (average.dtype !== current.dtype || average.device !== current.device)
      average.data = average.to(current);
  }

  /** Calls `fn` while the model has the averaged weights, and then restores its own. */
  use<T>(fn: () => T): T {
    const swap = (): void => {
      unrecorded(() => {
        for (const [key, current] of this.#model.stateDict()) {
          const average = this.#averages.get(key) as Tensor;
          this.#follow(average, current);
          const own = current.detach();
          current.data = average;
          average.data = own;
        }
      });
    };
    swap();
    try {
      return fn();
    } finally {
      swap();
    }
  }

  /** Copies the averages into a model with the same keys: the model itself, or another one. */
  copyTo(model: Module): void {
    model.loadStateDict(this.#averages);
  }

  /** Returns the averages under `module.` and the model's keys, after `n_averaged`. The tensors are not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map([
      ['n_averaged', this.nAveraged],
      ...[...this.#averages].map(([key, tensor]): [string, Tensor] => [`module.${key}`, tensor]),
    ]);
  }

  /** Loads a state dict, also one of PyTorch's AveragedModel. */
  loadStateDict(source: StateSource): void {
    loadEntries([...this.stateDict()], source, true, this.constructor.name);
  }
}

/**
 * {@link AveragedModel} with exponential decay: average ← decay · average + (1 − decay) · weights.
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const average = new optim.ExponentialMovingAverage(model, { decay: 0.9999 });
 * average.update(); // after each step of an optimizer
 * average.copyTo(model); // at the end of training
 * ```
 */
export class ExponentialMovingAverage extends AveragedModel {
  constructor(
    model: Module,
    { decay = 0.999, useBuffers = false }: { decay?: number; useBuffers?: boolean } = {},
  ) {
    super(model, { decay, useBuffers });
  }
}
