/** Small runs for tests of the training engine's settings. */
import { eventsOf, images, transformerConfig, vqganConfig } from './tiny.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';

export type Settings = Record<string, unknown>;

/** Two batches of two images a step. */
export const inTwo = { batchSize: 2, accumulate: 2 };

/** Trains a first stage for one step, for second stages. */
export async function trainFirstStage(run: string): Promise<void> {
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run, images: images() }));
}

/** A first stage, with settings of its loss. */
export function vqganTrainer(run: string, training: Settings, loss: Settings = {}): Promise<VqganTrainer> {
  const config = structuredClone(vqganConfig({ steps: 3, restartCodes: false, ...training }));
  Object.assign(config.model.params.lossconfig.params, loss);
  return VqganTrainer.create(config, { run, images: images() });
}

/** A second stage on the run `vqgan`, whose steps draw no random numbers. */
export function transformerTrainer(
  run: string,
  vqgan: string,
  training: Settings,
): Promise<TransformerTrainer> {
  const config = structuredClone(transformerConfig(vqgan, { steps: 3, ...training }));
  const { params } = config.model;
  params.pkeep = 1;
  Object.assign(params.transformer_config.params, { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 });
  return TransformerTrainer.create(config, { run, images: images() });
}
