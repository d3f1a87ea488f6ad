// Trains the second stage, a transformer over the codes of a trained VQGAN, and samples images from it. Copy this file
// and change what you like.
//   npx tsx scripts/train-transformer.ts runs/my-vqgan photos runs/my-transformer
import { interruptible, TransformerTrainer, writeReport } from 'tessera-torch';

const [vqgan = 'runs/my-vqgan', images = 'photos', run = 'runs/my-transformer', minutes = '30'] =
  process.argv.slice(2);

const trainer = await TransformerTrainer.create(
  {
    // The first stage comes from `training.vqgan`.
    model: {
      target: 'taming.models.cond_transformer.Net2NetTransformer',
      params: {
        unconditional: true,
        cond_stage_config: '__is_unconditional__',
        transformer_config: {
          target: 'taming.modules.transformer.mingpt.GPT',
          params: { n_layer: 3, n_head: 4, n_embd: 192 },
        },
      },
    },
    data: { path: images, size: 64, heldOut: 0.05 },
    training: { vqgan, minutes: Number(minutes), batchSize: 4, learningRate: 2e-3, precision: 'auto' },
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
  if (event.type === 'images') console.log(`samples: ${event.path}`);
}
release();
console.log(`curves and metrics: ${await writeReport(run)}`);
