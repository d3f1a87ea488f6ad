/** Training in several processes, each with a batch of its own: the values that their steps exchange. */
import type { Shard } from '../../data/batches/shard.js';
import type { TrainedState } from '../../runs/state.js';
import type { TrainingConfig } from '../../runs/config.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { GradientBuckets, type GradientBucket } from './gradient-buckets.js';
import type { StepOptimizer } from './step-optimizer.js';
import { WrappedOptimizer, type WrappableOptimizer } from './wrapped-optimizer.js';

const { allGather, allReduceCoalesced, broadcastCoalesced, rank, worldSize } = torch.distributed;

/** Options of {@link DataParallelOptimizer}. */
export interface DataParallelOptions {
  /**
   * The parameters of the network, in the optimizer's order, if the optimizer updates float32 masters of them: see
   * `MasterWeights`. Default: the optimizer's.
   */
  computed?: readonly Tensor[];
  /** Megabytes of gradients from which on a bucket is full; the first one is at 1. Default 25. */
  bucketCapMb?: number;
}

/**
 * An optimizer for training steps that averages its gradients over all processes before each of its steps, so that they
 * stay equal. It averages what an accumulated step has added up, once. The step functions call `prepareForBackward`, and
 * gradients are then averaged in buckets while backward computes the others, from the second step on: the first tells
 * in which order they come. In a loop that does not call it, all are averaged in `step`.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup();
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const optimizer = new DataParallelOptimizer(transformerOptimizer(net.transformer, { lr: 1e-4 }));
 * const images = torch.zeros([2, 3, 64, 64]); // this process's
 * transformerStep(net, optimizer, { x: images, c: images });
 * ```
 */
export class DataParallelOptimizer extends WrappedOptimizer {
  readonly #gradients: GradientBuckets;

  /**
   * @param optimizer clipped or not: norms are those of the averaged gradients
   * @throws ArgumentError if `bucketCapMb` is not a number above 0, or `computed` does not match the optimizer's parameters
   */
  constructor(optimizer: WrappableOptimizer, { computed, bucketCapMb = 25 }: DataParallelOptions = {}) {
    super(optimizer, 'a data-parallel optimizer', 'make one in each process');
    if (!(bucketCapMb > 0))
      throw new torch.ArgumentError(
        `DataParallelOptimizer: bucketCapMb must be a number above 0, not ${bucketCapMb}`,
      );
    const updated = this.parameters;
    if (computed) checkComputed(computed, updated);
    this.#gradients = new GradientBuckets(updated, computed ?? updated, bucketCapMb);
  }

  /** The gradients that are averaged together, in the order in which they are. */
  get buckets(): readonly GradientBucket[] {
    return this.#gradients.buckets;
  }

  /** Drops all gradients. */
  override zeroGrad(): void {
    this.#gradients.forget();
    super.zeroGrad();
  }

  /**
   * Lets the next backward, the last one of the step, average the gradients that it completes. From then until `step`
   * gradients must be left alone: `step` writes the averages over them, and a change may be lost.
   */
  prepareForBackward(): void {
    this.#gradients.prepareForBackward();
  }

  /** Averages the gradients and updates the parameters. @throws DistBackendError if another process has ended */
  step(): void {
    this.#gradients.finish();
    this.optimizer.step();
  }
}

function checkComputed(computed: readonly Tensor[], updated: readonly Tensor[]): void {
  const way = 'give the parameters of the network in the order of the optimizer, or leave out computed';
  if (computed.length !== updated.length)
    throw new torch.ArgumentError(
      `DataParallelOptimizer: computed has ${computed.length} parameters, but the optimizer has ${updated.length}: ${way}`,
    );
  for (const [i, { shape }] of computed.entries()) {
    const expected = updated[i]!.shape.join(', ');
    if (shape.join(', ') !== expected)
      throw new torch.ArgumentError(
        `DataParallelOptimizer: computed[${i}] is [${shape.join(', ')}], but the optimizer's parameter ${i} is [${expected}]: ${way}`,
      );
  }
}

/** Returns the optimizer of one of several processes, and the same one in a single process; see {@link DataParallelOptions}. */
export function averagedBy(optimizer: WrappableOptimizer, computed: readonly Tensor[]): StepOptimizer {
  return worldSize() > 1 ? new DataParallelOptimizer(optimizer, { computed }) : optimizer;
}

/**
 * Returns the means of tensors over all processes: for `average` in the state of a VQGAN's step, whose adaptive weight
 * compares the gradients of all batches together.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup();
 * const [mean] = averageOverProcesses([torch.full([], torch.distributed.rank())]); // 0.5 in two processes
 * ```
 */
export function averageOverProcesses(tensors: readonly Tensor[]): Tensor[] {
  const means = torch.noGrad(() => tensors.map((tensor) => tensor.detach().clone()));
  allReduceCoalesced(means, { op: 'avg' });
  return means;
}

/** True for a module that computes something from a batch besides gradients, and can do so from those of all processes. */
const computesOverBatches = (module: nn.Module): module is nn.Module & { synchronize(): void } =>
  'synchronize' in module;

/**
 * Makes what a module computes from a batch, besides gradients, that of the batches of all processes: batch norms,
 * ActNorm's first batch, LeCam's averages, codes that follow moving averages, hits and mean
 * probabilities of codes. Changes the module and returns it.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup();
 * const discriminator = synchronizeStatistics(new NLayerDiscriminator());
 * ```
 */
export function synchronizeStatistics<M extends nn.Module>(module: M): M {
  nn.convertSyncBatchnorm(module);
  for (const part of module.modules()) if (computesOverBatches(part)) part.synchronize();
  return module;
}

/** Returns this process's share of the images of a run. */
export function shardOf({ batchSize }: TrainingConfig): Shard {
  return { rank: rank(), worldSize: worldSize(), block: batchSize };
}

/** Gives the weights of the first process to all of them, before the first step. */
export function shareWeights({ model, average }: TrainedState): void {
  if (worldSize() > 1) broadcastCoalesced([...model.values(), ...(average?.values() ?? [])], 0);
}

/** Returns the batches of all processes [B, …] as one, in the order of a single process: see `Shard`. */
export function jointBatch(batch: Tensor, { worldSize: count, block }: Shard): Tensor {
  if (count === 1) return batch;
  return torch.scope(() => {
    const parts = allGather(batch).map((part) => part.split(block));
    return torch.cat(parts[0]!.flatMap((_, i) => parts.map((blocks) => blocks[i]!)));
  });
}

/** Gives the tensors of the first process to all of them. */
export function fromFirst(tensors: Iterable<Tensor>): void {
  if (worldSize() > 1) broadcastCoalesced([...tensors], 0);
}
