import type { Net2NetTransformer } from '../models/two-stage.js';
import type { TrainerOptions } from './images.js';
import type { Tokens } from './stages/transformer/held-out.js';
import { transformer, type TransformerStage } from './stages/transformer/stage.js';
import { openTraining, planTraining, Trainer, type RunPlan, type Training } from './trainer.js';

/**
 * Trains the second stage on the codes of the first: `for await (const event of trainer.run({ signal })) …`.
 *
 * @example
 * ```ts
 * const { model } = await readConfig('transformer.yaml');
 * const training = { vqgan: 'runs/vqgan', steps: 2000 };
 * const config = { model, data: { path: 'photos', size: 64 }, training };
 * const trainer = await TransformerTrainer.create(config, { run: 'runs/transformer' });
 * for await (const event of trainer.run()) {
 *   if (event.type === 'log') console.log(event.step, event.losses);
 * }
 * ```
 */
export class TransformerTrainer extends Trainer<Tokens> {
  readonly net: Net2NetTransformer;

  private constructor(training: Training<TransformerStage>) {
    super(training);
    // Typed with the usual prior; one with another has that.
    this.net = training.stage.net as Net2NetTransformer;
  }

  /**
   * Starts a run in a new folder.
   *
   * @param config as in a YAML file: { model, data, training }; training.vqgan is the run folder of the first stage
   * @throws TypeError for an invalid configuration; RunError, ImageDataError for unusable folders and images
   */
  static async create(
    config: unknown,
    { run, ...options }: TrainerOptions & { run: string },
  ): Promise<TransformerTrainer> {
    return new TransformerTrainer(await openTraining(transformer, run, { new: config }, options));
  }

  /**
   * Determines everything that a run would before its first step, in the same way, without writing anything.
   *
   * @throws the same errors as `create`
   */
  static plan(config: unknown, options: TrainerOptions & { run: string }): Promise<RunPlan> {
    return planTraining(transformer, config, options);
  }

  /** Resumes the run in a folder; `changes` is a configuration of the few keys that may change. */
  static async resume(
    run: string,
    { changes, ...options }: TrainerOptions & { changes?: unknown } = {},
  ): Promise<TransformerTrainer> {
    return new TransformerTrainer(await openTraining(transformer, run, { resume: changes }, options));
  }
}
