// Trains a VQGAN with a custom loop: a Run manages folder, checkpoints and reports. Copy this file and change the step.
// If started again, it resumes the run.
//   npx tsx scripts/train-own-loop.ts photos runs/own-loop 2000
import { existsSync } from 'node:fs';
import * as tessera from 'tessera-torch';

const { modelFromConfig, onePassStep, openImages, optim, Run, torch } = tessera;
const [path = 'photos', folder = 'runs/own-loop', steps = '2000'] = process.argv.slice(2);

const levels = { ch: 32, ch_mult: [1, 1, 1], num_res_blocks: 0, attn_resolutions: [], resolution: 32 };
const ddconfig = { ...levels, in_channels: 3, out_ch: 3, z_channels: 32, double_z: false };
const lossconfig = {
  target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
  params: { disc_start: 500, disc_num_layers: 1, disc_ndf: 16, perceptual_weight: 0 },
};
const config = {
  model: {
    target: 'taming.models.vqgan.VQModel',
    params: { n_embed: 128, embed_dim: 32, ddconfig, lossconfig },
  },
  data: { path, size: 32 },
  training: { steps: Number(steps), batchSize: 8, saveEvery: '1m' },
};
const run = await Run.open(folder, 'vqgan', existsSync(folder) ? { resume: {} } : { new: config });

const { data, training } = run.config;
torch.manualSeed(training.seed);
const model = modelFromConfig(run.config.model) as tessera.VQModel;
const loss = model.loss as tessera.VQLPIPSWithDiscriminator;
const { learningRate: lr, betas, batchSize, seed } = training;
const optimizers = {
  generator: new optim.Adam(model.generatorParameters(), { lr, betas }),
  discriminator: new optim.Adam(loss.discriminator.parameters(), { lr, betas }),
};
const images = await openImages(data);
const position = run.checkpoint?.state['data'] as ReturnType<tessera.Loader['state']> | undefined;
const loader = new tessera.Loader(images.train, { batchSize, seed, ...(position && { position }) });
const state = () => ({ model: model.stateDict(), optimizers, data: loader.state() });

await run.start(state()); // Writes a first checkpoint, or reads the newest one.
run.begin();
while (!run.done) {
  const { images: batch, waited } = await loader.next();
  torch.scope(() => {
    const { nllLoss, discLoss } = onePassStep(model, optimizers, batch, { globalStep: run.step });
    run.tick(waited);
    if (!run.due('log')) return;
    const { step, losses } = run.log({ losses: { rec: nllLoss, disc: discLoss }, learningRate: lr });
    console.log(step, losses);
  });
  batch.dispose();
  if (run.due('save')) await run.save(state());
}
run.close();
loader.close();
await images.close();
console.log(`curves and metrics: ${await tessera.writeReport(folder)}`);
