// Trains the first stage, a VQGAN, on a folder of images. Copy this file and change what you like.
//   npx tsx scripts/train-vqgan.ts photos runs/my-vqgan
import { interruptible, VqganTrainer, writeReport } from 'tessera-torch';

const [images = 'photos', run = 'runs/my-vqgan', minutes = '30'] = process.argv.slice(2);

const trainer = await VqganTrainer.create(
  {
    // The reference's structure. Two downsamplings (ch_mult) turn 64 × 64 pixels into 16 × 16 codes.
    model: {
      target: 'taming.models.vqgan.VQModel',
      params: {
        n_embed: 256,
        embed_dim: 64,
        ddconfig: {
          ch: 64,
          ch_mult: [1, 1, 1],
          num_res_blocks: 0,
          attn_resolutions: [],
          resolution: 64,
          in_channels: 3,
          out_ch: 3,
          z_channels: 64,
          double_z: false,
        },
        lossconfig: {
          target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
          params: { disc_start: 0, disc_weight: 0.1, disc_num_layers: 2, disc_ndf: 32 },
        },
      },
    },
    data: { path: images, size: 64, heldOut: 0.05 },
    training: {
      minutes: Number(minutes),
      batchSize: 4,
      learningRate: 1e-3,
      precision: 'auto',
      discriminatorFrom: 0.75,
    },
  },
  { run },
);

const { signal, release } = interruptible(); // Ctrl-C finishes the step and saves.
for await (const event of trainer.run({ signal })) {
  if (event.type === 'start') console.log(event.notes.join('\n'));
  if (event.type === 'log') {
    const { step, progress, losses, metrics } = event;
    console.log(step, `${Math.round(100 * progress)}%`, losses, metrics ?? '');
  }
  if (event.type === 'images') console.log(`held-out images and reconstructions: ${event.path}`);
}
release();
console.log(`curves and metrics: ${await writeReport(run)}`);
