import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { onePassStep } from './one-pass-step.js';
import { lossOf } from './loss.js';
import type { StepOptimizer } from '../../engine/step-optimizer.js';
import type { VqganLog, VqganOptimizers, VqganState } from './reference-step.js';

type Setting = Record<string, unknown>;

/**
 * Runs a VQGAN training step as a CUDA graph. It is recorded after three eager steps, and recorded again whenever a
 * number in it changes: when the discriminator starts to learn and to act, and with each temperature. Learning rates may change at every
 * step if the optimizers are `capturable`; otherwise each change records the step again. The log's tensors are
 * overwritten by the next step. If recording is not possible, steps run eagerly, and `eagerReason` says why.
 *
 * @example
 * ```ts
 * const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
 * const model = new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256, lossconfig: loss }).to('cuda');
 * const step = new GraphedStep(model, {
 *   generator: new optim.Adam(model.generatorParameters(), { lr: 1e-4, fused: true }),
 *   discriminator: new optim.Adam(loss.discriminator.parameters(), { lr: 1e-4, fused: true }),
 * });
 * const batch = torch.zeros([4, 3, 64, 64], { device: 'cuda' });
 * for (let globalStep = 0; globalStep < 10; globalStep++) step.run(batch, { globalStep });
 * step.dispose();
 * ```
 */
export class GraphedStep extends torch.InThread {
  readonly #model: FirstStage;
  readonly #optimizers: VqganOptimizers;
  readonly #step: typeof onePassStep;
  #graph: torch.cuda.Graph<VqganLog> | null = null;
  #numbers = '';

  constructor(model: FirstStage, optimizers: VqganOptimizers, step: typeof onePassStep = onePassStep) {
    super('a recorded step', 'record one in each thread');
    this.#model = model;
    this.#optimizers = optimizers;
    this.#step = step;
  }

  /** Reason why steps run eagerly; null if they are, or will be, replayed. */
  get eagerReason(): string | null {
    return this.#graph ? this.#graph.eagerReason : torch.cuda.whyNoGraphs();
  }

  /** Trains on one batch [B, C, H, W], like the eager step. */
  run(batch: Tensor, state: VqganState): VqganLog {
    // Taken eagerly, because two recordings for each of these steps would cost more than they save.
    if (this.#penalised(state)) return this.#step(this.#model, this.#optimizers, batch, state);
    const numbers = this.#numbersOf(state);
    if (numbers !== this.#numbers) this.dispose();
    this.#numbers = numbers;
    for (const optimizer of this.#stepped) optimizer.refreshLearningRates?.();
    this.#graph ??= torch.cuda.graph(
      (images: Tensor, cond?: Tensor) =>
        this.#step(this.#model, this.#optimizers, images, {
          ...withoutTensors(state),
          ...(cond && { cond }),
        }),
      { device: batch.device },
    );
    return state.cond ? this.#graph.run(batch, state.cond) : this.#graph.run(batch);
  }

  /** True for the few steps that have R1. */
  #penalised({ globalStep }: VqganState): boolean {
    const loss = lossOf(this.#model);
    return loss.learningFactorAt(globalStep) !== 0 && (loss.r1?.dueAt(globalStep) ?? false);
  }

  get #stepped(): StepOptimizer[] {
    return [this.#optimizers.generator, this.#optimizers.discriminator];
  }

  /** Returns the non-tensor values that are baked into a recording. */
  #numbersOf({ globalStep, accumulate = 1 }: VqganState): string {
    const settings = this.#stepped.map(({ paramGroups = [] }) =>
      (paramGroups as Setting[]).map(({ params: _, ...group }) =>
        group['capturable'] === true ? { ...group, lr: null } : group,
      ),
    );
    const temperature = this.#model.quantize.temperature ?? null;
    const loss = lossOf(this.#model);
    const factors = [loss.discFactorAt(globalStep), loss.learningFactorAt(globalStep)];
    return JSON.stringify([factors, temperature, accumulate, settings]);
  }

  /** Releases the memory of the recording. */
  dispose(): void {
    this.#graph?.dispose();
    this.#graph = null;
  }
}

const withoutTensors = ({ cond: _, ...state }: VqganState): VqganState => state;
