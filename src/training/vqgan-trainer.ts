import type { FirstStage } from '../models/autoencoder/vqgan.js';
import type { Tensor } from '../torch/index.js';
import type { TrainerOptions } from './images.js';
import { vqgan, type VqganStage } from './stages/vqgan/stage.js';
import { openTraining, planTraining, Trainer, type RunPlan, type Training } from './trainer.js';

/**
 * Trains the first stage: `for await (const event of trainer.run({ signal })) …`.
 *
 * @example
 * ```ts
 * const { model } = await readConfig('model.yaml');
 * const config = { model, data: { path: 'photos', size: 64 }, training: { steps: 2000 } };
 * const trainer = await VqganTrainer.create(config, { run: 'runs/mine' });
 * for await (const event of trainer.run()) {
 *   if (event.type === 'log') console.log(event.step, event.losses);
 * }
 * ```
 */
export class VqganTrainer extends Trainer<Tensor> {
  readonly model: FirstStage;

  private constructor(training: Training<VqganStage>) {
    super(training);
    this.model = training.stage.model;
  }

  /**
   * Starts a run in a new folder.
   *
   * @param config as in a YAML file: { model, data, training }
   * @throws TypeError for an invalid configuration; RunError, ImageDataError for unusable folders and images
   */
  static async create(
    config: unknown,
    { run, ...options }: TrainerOptions & { run: string },
  ): Promise<VqganTrainer> {
    return new VqganTrainer(await openTraining(vqgan, run, { new: config }, options));
  }

  /**
   * Determines everything that a run would before its first step, in the same way, without writing anything.
   *
   * @throws the same errors as `create`
   */
  static plan(config: unknown, options: TrainerOptions & { run: string }): Promise<RunPlan> {
    return planTraining(vqgan, config, options);
  }

  /** Resumes the run in a folder; `changes` is a configuration of the few keys that may change. */
  static async resume(
    run: string,
    { changes, ...options }: TrainerOptions & { changes?: unknown } = {},
  ): Promise<VqganTrainer> {
    return new VqganTrainer(await openTraining(vqgan, run, { resume: changes }, options));
  }
}
