import { broadcastCoalesced, isInitialized, Reducer, type ReducerOptions } from '../distributed/index.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { isGradEnabled } from '../core/autograd.js';
import { Module } from './module.js';

/** Options of {@link DistributedDataParallel}, by PyTorch's names. */
export interface DistributedDataParallelOptions extends ReducerOptions {
  /** Give the buffers of rank 0 to all processes before each forward. Default true. */
  broadcastBuffers?: boolean;
}

/**
 * Trains a module in several processes, each with a batch of its own: gradients are averaged over all of them inside
 * `backward`, while the rest is still being computed. All processes begin with the weights of rank 0, and stay equal as
 * long as their optimizers do the same. Keys of its state dict begin with `module.`, as in PyTorch; save `module`'s.
 * Batch norms use the statistics of their own process unless `nn.convertSyncBatchnorm` was called on the module.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup({ timeout: 60 });
 * const model = new nn.DistributedDataParallel(new nn.Linear(8, 8));
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
 * const loss = model.forward(torch.randn([4, 8])).square().mean();
 * loss.backward();
 * optimizer.step();
 * ```
 */
export class DistributedDataParallel<M extends Module = Module> extends Module {
  /** The module in training. */
  readonly module: M;
  readonly #reducer: Reducer;
  readonly #broadcastsBuffers: boolean;
  #synchronizes = true;

  /**
   * @throws ArgumentError without a process group
   * @throws DistBackendError if the parameters of the processes do not agree in number and shape
   */
  constructor(module: M, options: DistributedDataParallelOptions = {}) {
    super();
    if (!isInitialized())
      throw new torch.ArgumentError(
        'DistributedDataParallel needs a process group: call await torch.distributed.initProcessGroup() first',
      );
    this.module = module;
    const { broadcastBuffers = true, ...reducer } = options;
    this.#broadcastsBuffers = broadcastBuffers;
    const trained = module.parameters().filter(({ requiresGrad }) => requiresGrad);
    this.#reducer = new Reducer(trained, reducer);
    broadcastCoalesced([...module.parameters(), ...module.buffers()], 0);
  }

  /** Calls the module; the backward of its result averages the gradients. */
  override forward(...args: Parameters<M['forward']>): ReturnType<M['forward']> {
    const records = isGradEnabled();
    const synchronizes = records && this.#synchronizes;
    if (synchronizes && this.#broadcastsBuffers) broadcastCoalesced(this.module.buffers(), 0);
    if (records) this.#reducer.prepareForForward();
    const output = this.module.forward(...args) as ReturnType<M['forward']>;
    if (synchronizes) this.#reducer.prepareForBackward(tensorsIn(output));
    return output;
  }

  /**
   * Calls `fn` without averaging: the gradients of backwards whose forward is in it are only added up, and the next
   * backward outside of it averages the sum. For gradient accumulation; PyTorch's `no_sync`.
   */
  noSync<T>(fn: () => T): T {
    const before = this.#synchronizes;
    this.#synchronizes = false;
    try {
      return fn();
    } finally {
      this.#synchronizes = before;
    }
  }

  /** Ends the averaging: takes the hooks off the parameters. */
  dispose(): void {
    this.#reducer.dispose();
  }
}

/** Returns the tensors in a result, which may be nested in arrays and plain objects. */
function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof torch.Tensor) return value.requiresGrad ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(tensorsIn);
}
