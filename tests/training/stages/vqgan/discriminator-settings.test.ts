/** Other discriminators, R1, DiffAugment and spectral norm in training steps and in runs. */
import { join } from 'node:path';
import test from 'ava';
import { NLayerDiscriminator } from '../../../../src/models/discriminators/index.js';
import { diffAugment, drawDiffAugment } from '../../../../src/models/losses/diff-augment.js';
import { newestCheckpoint } from '../../../../src/runs/checkpoint.js';
import * as torch from '../../../../src/torch/index.js';
import type { Tensor } from '../../../../src/torch/index.js';
import { onePassStep } from '../../../../src/training/stages/vqgan/one-pass-step.js';
import { referenceStep } from '../../../../src/training/stages/vqgan/reference-step.js';
import { VqganTrainer } from '../../../../src/training/vqgan-trainer.js';
import { noOptimizers } from '../../../golden/vqgan.js';
import { adversarial } from '../../adversarial.js';
import { vqganTrainer } from '../../engine-runs.js';
import { eventsOf, images, lossesOf, temporaryFolder } from '../../tiny.js';

const policy = 'color,translation,cutout';
const batch = torch.keep(torch.scope(() => torch.rand([2, 3, 8, 8], { dtype: 'float64' }).mul(2).sub(1)));

/** A discriminator that keeps what it is shown. */
class Watching extends NLayerDiscriminator {
  readonly seen: Tensor[] = [];

  constructor() {
    super({ ndf: 4, nLayers: 1, useActnorm: true });
  }

  override forward(x: Tensor): Tensor {
    this.seen.push(torch.keep(x.detach().clone()));
    return super.forward(x);
  }
}

for (const [take, order] of [
  [referenceStep, ['fake', 'real', 'fake']],
  [onePassStep, ['fake', 'real']],
] as const)
  for (const accumulate of [1, 2])
    test(`both updates see images and reconstructions under the same augmentation: ${take.name}, ${accumulate}`, (t) => {
      torch.scope(() => {
        const made = adversarial(take, {
          loss: { discriminator: () => new Watching(), diffAugment: policy },
        });
        const { seen } = made.loss.discriminator as Watching;
        seen.splice(0);
        torch.manualSeed(11);
        take(made.model, noOptimizers, batch, { globalStep: 1, accumulate });
        torch.manualSeed(11);
        const draws = drawDiffAugment(batch, policy);
        const { reconstruction } = torch.noGrad(() => made.model.forward(batch));
        const expected = {
          real: diffAugment(batch, policy, { draws }),
          fake: diffAugment(reconstruction, policy, { draws }),
        };
        const kinds = [...order.slice(0, 1), ...order.slice(1)].flatMap((kind, i) =>
          // The reference step judges all parts for the generator first.
          Array.from({ length: accumulate }, (_, part) => ({ kind, part, i })),
        );
        const inOrder =
          take === referenceStep && accumulate > 1
            ? [
                ...kinds.filter(({ i }) => i === 0),
                ...kinds.filter(({ i }) => i > 0).sort((a, b) => a.part - b.part || a.i - b.i),
              ]
            : kinds.sort((a, b) => a.part - b.part || a.i - b.i);
        t.is(seen.length, inOrder.length);
        for (const [at, { kind, part }] of inOrder.entries()) {
          const wanted = expected[kind].chunk(accumulate)[part]!;
          t.true(seen[at]!.sub(wanted).abs().max().item() < 1e-12, `${at}: ${kind} ${part}`);
        }
        t.false(expected.real.equal(batch));
        torch.dispose(seen);
      });
    });

const patches = { disc_num_layers: null, disc_ndf: null };
const runs: [string, Record<string, unknown>, Record<string, unknown>][] = [
  [
    'StyleGAN2',
    {
      ...patches,
      discriminator: {
        target: 'tessera.discriminators.StyleGAN2',
        params: { image_size: 16, channel_base: 64, channel_max: 8, mbstd_group_size: 2 },
      },
      disc_loss: 'non-saturating',
      r1_weight: 10,
      r1_every: 2,
    },
    {},
  ],
  [
    'StyleGAN',
    {
      ...patches,
      discriminator: {
        target: 'tessera.discriminators.StyleGAN',
        params: { image_size: 16, channels: { '4..16': 4 } },
      },
      diff_augment: policy,
    },
    { step: 'reference' },
  ],
  [
    'MaskBit, in parts, clipped',
    {
      ...patches,
      discriminator: {
        target: 'tessera.discriminators.MaskBit',
        params: { hidden_channels: 8, num_stages: 2, group_norm_groups: 4 },
      },
      diff_augment: 'translation',
      r1_weight: 10,
      r1_every: 3,
    },
    { batchSize: 2, accumulate: 2, clipNorm: 0.5 },
  ],
  [
    'spectral norm, in bfloat16',
    { disc_spectral_norm: true, r1_weight: 1, r1_every: 1, diff_augment: policy },
    { precision: 'bfloat16' },
  ],
];

for (const [name, loss, training] of runs)
  test.serial(
    `a run takes the settings from its file, trains the discriminator, and resumes exactly: ${name}`,
    async (t) => {
      const folder = temporaryFolder(t);
      const create = (run: string) =>
        vqganTrainer(join(folder, run), { steps: 4, logEvery: 1, seed: 2, ...training }, loss);
      const whole = lossesOf(await eventsOf(await create('whole')));
      const first = lossesOf(await eventsOf(await create('parts'), 3));
      const rest = lossesOf(
        await eventsOf(await VqganTrainer.resume(join(folder, 'parts'), { images: images() })),
      );
      t.deepEqual(new Map([...first, ...rest]), whole);
      const files = async (run: string) => (await newestCheckpoint(join(folder, run))).state['files'];
      t.deepEqual(await files('parts'), await files('whole'));
      const logged = [...whole.values()];
      t.true(logged.every((losses) => Object.values(losses).every(Number.isFinite)));
      t.true(new Set(logged.map(({ disc }) => disc)).size === 4);
      t.true(logged.every(({ r1 }) => ('r1_weight' in loss ? r1! > 0 : r1 === undefined)));
      if (loss['r1_every'] !== 2) return;
      // The penalty is computed at the steps 0 and 2, counted from 0, and logged until the next.
      const [a, b, c, d] = logged.map(({ r1 }) => r1);
      t.deepEqual([a === b, b === c, c === d], [true, false, true]);
    },
  );
