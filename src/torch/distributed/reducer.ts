import { createHash } from 'node:crypto';
import { handlesOf } from '../core/arguments.js';
import { ArgumentError, DistBackendError } from '../core/errors.js';
import { scope } from '../core/scope.js';
import { tensor } from '../creation.js';
import { allReduce } from './collectives.js';
import { InThread } from '../core/in-thread.js';
import type { Tensor } from '../core/tensor.js';
import { translated } from '../core/translated.js';
import type { NativeReducer } from '../native/distributed-binding.js';
import { native } from '../native/load.js';
import { putHandles } from '../native/wire.js';
import { groupFor } from './group.js';

/** Options of {@link Reducer} and `nn.DistributedDataParallel`, by PyTorch's names. */
export interface ReducerOptions {
  /** Megabytes of gradients that are averaged together. The first bucket has at most 1. Default 25. */
  bucketCapMb?: number;
  /** Look for parameters that a backward does not reach, which costs a walk over the graph. Default false. */
  findUnusedParameters?: boolean;
  /** Let gradients be views of the buckets, which saves a copy of them. Default false. */
  gradientAsBucketView?: boolean;
}

/**
 * Averages the gradients of parameters over all processes inside `backward`, bucket by bucket, while the rest of the
 * gradients is still being computed: libtorch's own reducer. Call `prepareForForward` before and `prepareForBackward`
 * after a forward whose backward is to be averaged; a backward without them only accumulates in this process. Only
 * `backward` is averaged: `torch.grad` returns this process's gradients.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup({ timeout: 60 });
 * const model = new nn.Linear(8, 8);
 * const reducer = new torch.distributed.Reducer(model.parameters());
 * reducer.prepareForForward();
 * const loss = model.forward(torch.randn([4, 8])).square().mean();
 * reducer.prepareForBackward([loss]);
 * loss.backward();
 * ```
 */
export class Reducer extends InThread {
  readonly #reducer: NativeReducer;
  readonly #findsUnused: boolean;
  #closed = false;

  /**
   * @param parameters those of all processes must agree in number, shape and dtype
   * @throws DistBackendError if they do not
   */
  constructor(parameters: readonly Tensor[], options: ReducerOptions = {}) {
    super('a reducer', 'make one in each process');
    const { bucketCapMb = 25, findUnusedParameters = false, gradientAsBucketView = false } = options;
    const operator = 'distributed.Reducer';
    if (!(bucketCapMb > 0))
      throw new ArgumentError(`${operator}: bucketCapMb must be a number above 0, not ${bucketCapMb}`);
    const handles = handlesOf(parameters, operator);
    if (handles.length === 0 || !parameters.every(({ requiresGrad }) => requiresGrad))
      throw new ArgumentError(`${operator} needs parameters that require gradients`);
    const group = groupFor(operator);
    expectAlike(parameters, operator);
    putHandles(handles, 0);
    const bytes = Math.ceil(bucketCapMb * 2 ** 20);
    this.#findsUnused = findUnusedParameters;
    this.#reducer = translated(
      () => native.distributed.newReducer(group, bytes, findUnusedParameters, gradientAsBucketView),
      operator,
    );
  }

  /** Called before a forward: after the first backward, orders the buckets as it computed the gradients. */
  prepareForForward(): void {
    translated(() => native.distributed.rebuildBuckets(this.#reducer), 'distributed.Reducer');
  }

  /** Called before the backward of `outputs`, whose gradients are then averaged. */
  prepareForBackward(outputs: readonly Tensor[]): void {
    putHandles(this.#findsUnused ? handlesOf(outputs, 'distributed.Reducer') : [], 0);
    translated(() => native.distributed.prepareForBackward(this.#reducer), 'distributed.Reducer');
  }

  /** Takes its hooks off the parameters. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    native.distributed.closeReducer(this.#reducer);
  }
}

/** Throws in all processes unless their tensors agree: the first averaging would wait for what never comes. */
function expectAlike(tensors: readonly Tensor[], operator: string): void {
  const text = tensors.map(({ shape, dtype }) => `${dtype}[${shape.join()}]`).join();
  const digest = createHash('sha256').update(text).digest().readUIntBE(0, 6);
  const differs = scope(() => {
    // The largest and the smallest, by the largest negative.
    const bounds = tensor([digest, -digest], { dtype: 'float64' });
    allReduce(bounds, { op: 'max' });
    const [most, least] = bounds.tolist() as [number, number];
    return most !== -least;
  });
  if (!differs) return;
  const count = `${tensors.length} tensors, ${tensors.reduce((sum, each) => sum + each.numel(), 0)} elements`;
  throw new DistBackendError(
    `${operator}: the parameters of the processes differ in number, shape or dtype; this one has ${count}: ` +
      'build the same model in all of them',
    { operator },
  );
}
