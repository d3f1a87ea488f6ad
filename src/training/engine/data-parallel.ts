/** Training in several processes, each with a batch of its own: the values that their steps exchange. */
import { ActNorm } from '../../models/losses/discriminator.js';
import type { Shard } from '../../data/batches/shard.js';
import { LeCam } from '../../models/losses/lecam.js';
import { EMACodebook } from '../../models/quantizers/ema-codebook.js';
import { EMAVectorQuantizer } from '../../models/quantizers/ema.js';
import { ResidualQuantizer } from '../../models/quantizers/residual.js';
import type { TrainedState } from '../../runs/state.js';
import type { TrainingConfig } from '../../runs/config.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { StepOptimizer } from './step-optimizer.js';
import { WrappedOptimizer, type WrappableOptimizer } from './wrapped-optimizer.js';

const { allGather, allReduceCoalesced, broadcastCoalesced, rank, worldSize } = torch.distributed;

/**
 * An optimizer for training steps that, before each of its steps, averages its gradients over all processes, so that
 * they stay equal. It averages what an accumulated step has added up, once.
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
  /** @param optimizer clipped or not: norms are those of the averaged gradients */
  constructor(optimizer: WrappableOptimizer) {
    super(optimizer, 'a data-parallel optimizer', 'make one in each process');
  }

  /** Averages the gradients and updates the parameters. @throws DistBackendError if another process has ended */
  step(): void {
    torch.scope(() =>
      allReduceCoalesced(
        this.parameters.flatMap(({ grad }) => (grad === null ? [] : [grad])),
        { op: 'avg' },
      ),
    );
    this.optimizer.step();
  }
}

/** Returns the optimizer of one of several processes, and the same one in a single process. */
export function averagedBy(optimizer: WrappableOptimizer): StepOptimizer {
  return worldSize() > 1 ? new DataParallelOptimizer(optimizer) : optimizer;
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

/** Modules that compute something from a batch besides gradients. */
const synchronized = [ActNorm, EMACodebook, EMAVectorQuantizer, LeCam, ResidualQuantizer] as const;

/**
 * Makes what a module computes from a batch, besides gradients, that of the batches of all processes: batch norms,
 * ActNorm's first batch, LeCam's averages, codes that follow moving averages. Changes the module and returns it.
 *
 * @example
 * ```ts
 * await torch.distributed.initProcessGroup();
 * const discriminator = synchronizeStatistics(new NLayerDiscriminator());
 * ```
 */
export function synchronizeStatistics<M extends nn.Module>(module: M): M {
  nn.convertSyncBatchnorm(module);
  for (const part of module.modules()) if (isSynchronized(part)) part.synchronize();
  return module;
}

const isSynchronized = (part: nn.Module): part is InstanceType<(typeof synchronized)[number]> =>
  synchronized.some((Part) => part instanceof Part);

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
