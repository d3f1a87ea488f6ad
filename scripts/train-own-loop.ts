// Trains a VQGAN with a custom loop: a Run manages folder, checkpoints and reports. Copy this file and change the step.
// If started again, it resumes the run.
//   npx tsx scripts/train-own-loop.ts photos runs/own-loop 2000
import { existsSync } from 'node:fs';
import * as tessera from 'tessera-torch';

const { ClippedOptimizer, learningRateAt, modelFromConfig, onePassStep, openImages } = tessera;
const { optim, Run, torch, WeightAverage } = tessera;
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
  training: { steps: Number(steps), batchSize: 8, accumulate: 2, clipNorm: 1, ema: 0.999, saveEvery: '1m' },
};
const run = await Run.open(folder, 'vqgan', existsSync(folder) ? { resume: {} } : { new: config });

const { data, training } = run.config;
torch.manualSeed(training.seed);
const model = modelFromConfig(run.config.model) as tessera.VQModel;
const loss = model.loss as tessera.VQLPIPSWithDiscriminator;
const { learningRate: peak, betas, accumulate, clipNorm = Infinity, ema, seed } = training;
const batchSize = training.batchSize * accumulate;
const optimizers = {
  generator: new optim.Adam(model.generatorParameters(), { betas }),
  discriminator: new optim.Adam(loss.discriminator.parameters(), { betas }),
};
const clipped = {
  generator: new ClippedOptimizer(optimizers.generator, clipNorm),
  discriminator: new ClippedOptimizer(optimizers.discriminator, clipNorm),
};
const generator = [...model.stateDict()].filter(([key]) => !key.startsWith('loss.'));
const average = new WeightAverage(new Map(generator), ema);
const images = await openImages(data);
const position = run.checkpoint?.state['data'] as ReturnType<tessera.Loader['state']> | undefined;
const loader = new tessera.Loader(images.train, { batchSize, seed, ...(position && { position }) });
const state = () => ({
  model: model.stateDict(),
  average: average.weights,
  optimizers,
  data: loader.state(),
});

await run.start(state()); // Writes a first checkpoint, or reads the newest one.
run.begin();
while (!run.done) {
  const { images: batch, waited } = await loader.next();
  const lr = learningRateAt(run.progress, peak, { schedule: 'cosine' });
  for (const { paramGroups } of Object.values(optimizers)) for (const group of paramGroups) group.lr = lr;
  torch.scope(() => {
    const at = { globalStep: run.step, accumulate };
    const { nllLoss, discLoss } = onePassStep(model, clipped, batch, at);
    run.tick(waited);
    average.update(run.step);
    if (!run.due('log')) return;
    const { step, losses } = run.log({
      losses: { rec: nllLoss, disc: discLoss, norm: clipped.generator.norm },
      learningRate: lr,
    });
    console.log(step, losses);
  });
  batch.dispose();
  if (run.due('save')) await run.save(state());
}
run.close();
loader.close();
await images.close();
console.log(`curves and metrics: ${await tessera.writeReport(folder)}`);
