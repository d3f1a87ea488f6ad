import type { Tensor } from '../../../torch/index.js';
import * as torch from '../../../torch/index.js';
import * as nn from '../../../torch/nn/index.js';
import * as F from '../../../torch/nn/functional.js';
import * as optim from '../../../torch/optim/index.js';
import { atLeastFloat32 } from '../../../models/quantizers/latents.js';
import type { ConditionInput } from '../../../models/conditions/condition.js';
import type { TwoStage } from '../../../models/two-stage.js';
import { partsOf, type Accumulation } from '../../engine/accumulate.js';
import { scaledFor } from '../../engine/loss-scale.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import type { Prior } from '../../../models/priors/prior.js';

export interface DecayGroups {
  /** Weights of the linear layers, or those that the prior names, sorted by name. */
  decay: [name: string, parameter: nn.Parameter][];
  /** Biases, LayerNorms, embeddings and positions, sorted by name. */
  noDecay: [name: string, parameter: nn.Parameter][];
}

/**
 * Selects the parameters that weight decay applies to. Sorted by name, as in the reference, so that the optimizer state
 * of a reference checkpoint matches by index. Those of a condition that is learned with the prior follow.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * const { decay, noDecay } = decayGroups(gpt);
 * console.log(decay[0]![0], noDecay[0]![0]); // blocks.0.attn.key.weight blocks.0.attn.key.bias
 * ```
 */
export function decayGroups(prior: Prior, condition: nn.Module | null = null): DecayGroups {
  const parts = [prior, ...(condition ? [condition] : [])].map(groupsOf);
  return {
    decay: parts.flatMap(({ decay }) => decay),
    noDecay: parts.flatMap(({ noDecay }) => noDecay),
  };
}

function groupsOf(module: nn.Module & Pick<Prior, 'decayedWeights'>): DecayGroups {
  const linear = () => module.modules().flatMap((part) => (part instanceof nn.Linear ? [part.weight] : []));
  const decaying = new Set<nn.Parameter>(module.decayedWeights?.() ?? linear());
  const byName = [...module.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1)) as DecayGroups['decay'];
  return {
    decay: byName.filter(([, parameter]) => decaying.has(parameter)),
    noDecay: byName.filter(([, parameter]) => !decaying.has(parameter)),
  };
}

export interface TransformerOptimizerOptions {
  lr: number;
  /** Default (0.9, 0.95). */
  betas?: [number, number];
  /** Decay of the linear layers' weights, default 0.01. */
  weightDecay?: number;
  /** Condition to train with the transformer, `Net2NetTransformer.learnedCondition`; default null. */
  condition?: nn.Module | null;
}

/**
 * Returns AdamW over the transformer's parameters, in the two groups of `decayGroups`.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * const optimizer = transformerOptimizer(gpt, { lr: 3e-4, weightDecay: 0.1 });
 * ```
 */
export function transformerOptimizer(
  prior: Prior,
  { lr, betas = [0.9, 0.95], weightDecay = 0.01, condition = null }: TransformerOptimizerOptions,
): optim.AdamW {
  const { decay, noDecay } = decayGroups(prior, condition);
  return new optim.AdamW(
    [
      { params: decay.map(([, parameter]) => parameter), weightDecay },
      { params: noDecay.map(([, parameter]) => parameter), weightDecay: 0 },
    ],
    { lr, betas },
  );
}

export interface TransformerBatch {
  /** Images `[B, C, H, W]`. */
  x: Tensor;
  /** Input of the condition stage (labels, coordinates, images, or a list); ignored if unconditional: pass x. */
  c: ConditionInput;
}

/** Tokens encoded in advance, int64: `z` in reading order `[B, L]`, `c` `[B, N]`; or `c` as vectors `[B, N, D]`. */
export interface TokenBatch {
  tokens: { z: Tensor; c: Tensor };
}

/**
 * Returns the mean cross-entropy of the image codes in nats, a scalar.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const images = torch.zeros([2, 3, 64, 64]);
 * transformerLoss(net, { x: images, c: images }).backward();
 * ```
 */
export function transformerLoss(net: TwoStage, batch: TransformerBatch | TokenBatch): Tensor {
  return torch.scope(() => {
    const { logits, targets } =
      'tokens' in batch
        ? { logits: net.predict(batch.tokens.z, batch.tokens.c), targets: batch.tokens.z }
        : net.forward(batch.x, batch.c);
    return F.crossEntropy(atLeastFloat32(logits).reshape([-1, logits.shape.at(-1)!]), targets.reshape([-1]));
  });
}

/**
 * Replaces each row of an encoded condition, tokens `[B, N]` or vectors `[B, N, D]`, by the dropped condition with the given probability, drawn from the
 * device's generator. Draws nothing at probability 0.
 * @throws RangeError if the model has no dropped condition
 */
export function dropConditions(net: TwoStage, condition: Tensor, probability: number): Tensor {
  if (!(probability > 0)) return condition;
  return torch.scope(() => {
    const dropped = net.dropped(condition);
    if (!dropped) {
      throw new RangeError(
        'dropConditions: the model has no dropped condition: build it with nullToken, an id of its vocabulary, or a VectorStage ' +
          'with dropped: true.',
      );
    }
    const shape = condition.shape.map((count, dim) => (dim === 0 ? count : 1));
    const drop = torch.full(shape, probability, { dtype: 'float32', device: condition.device }).bernoulli();
    return torch.where(drop.bool(), dropped, condition);
  });
}

/**
 * Takes one training step: loss, gradients, update. Returns the detached loss, still on its device. Reading it with
 * `item()` waits for the device, so read it at log steps only. With `accumulate`, the batch is computed in equal parts.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const optimizer = transformerOptimizer(net.transformer, { lr: 1e-4 });
 * const images = torch.zeros([2, 3, 64, 64]);
 * const { loss } = transformerStep(net, optimizer, { x: images, c: images });
 * ```
 */
export function transformerStep(
  net: TwoStage,
  optimizer: StepOptimizer,
  batch: TransformerBatch | TokenBatch,
  { accumulate = 1 }: Accumulation = {},
): { loss: Tensor } {
  return torch.scope(() => {
    optimizer.zeroGrad();
    const losses: Tensor[] = [];
    const parts = batchesOf(batch, accumulate);
    for (const [i, part] of parts.entries()) {
      const loss = transformerLoss(net, part);
      if (i === parts.length - 1) optimizer.prepareForBackward?.();
      scaledFor(optimizer, accumulate === 1 ? loss : loss.div(accumulate)).backward();
      if (accumulate > 1) optimizer.gather?.();
      losses.push(loss.detach());
    }
    optimizer.step();
    return { loss: accumulate === 1 ? losses[0]! : torch.stack(losses).mean() };
  });
}

/** Splits a batch into equal parts, with their conditions. */
function batchesOf(
  batch: TransformerBatch | TokenBatch,
  count: number,
): readonly (TransformerBatch | TokenBatch)[] {
  if (count === 1) return [batch];
  if ('tokens' in batch) {
    const { z, c } = batch.tokens;
    const conditions = partsOf(c, count);
    return partsOf(z, count).map((part, i) => ({ tokens: { z: part, c: conditions[i]! } }));
  }
  const { x, c } = batch;
  const alone = c instanceof torch.Tensor;
  const [images = [], ...conditions] = [x, ...(alone ? [c] : c)].map((tensor) => partsOf(tensor, count));
  return images.map((part, i) => {
    const own = conditions.map((parts) => parts[i]!);
    return { x: part, c: alone ? own[0]! : own };
  });
}
