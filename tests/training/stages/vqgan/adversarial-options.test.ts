/** Warm-up, weights of the adversarial loss and LeCam, in both training steps and in runs. */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  MaskBitDiscriminator,
  StyleGAN2Discriminator,
  StyleGANDiscriminator,
  type Discriminator,
} from '../../../../src/models/discriminators/index.js';
import type { VQLPIPSWithDiscriminatorConfig } from '../../../../src/models/losses/vqgan-loss.js';
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

const batch = torch.keep(torch.scope(() => torch.rand([2, 3, 8, 8], { dtype: 'float64' }).mul(2).sub(1)));

type Loss = Partial<VQLPIPSWithDiscriminatorConfig<Discriminator>>;

const diffAugment = 'color,translation,cutout';
const stylegan = () => new StyleGANDiscriminator({ imageSize: 8, channels: { '4..8': 4 } });
const stylegan2 = (mbstdGroupSize: number) => () =>
  new StyleGAN2Discriminator({ imageSize: 8, channelMax: 4, mbstdGroupSize });
const maskbit = () => new MaskBitDiscriminator({ hiddenChannels: 4, numStages: 1, groupNormGroups: 2 });

/** Gradients by name and log of the last of some steps that update nothing. */
function stepped(take: typeof onePassStep, loss: Loss, globalSteps: readonly number[]) {
  const made = adversarial(take, { loss });
  let log: Record<string, unknown> = {};
  for (const globalStep of globalSteps) {
    made.model.zeroGrad();
    log = { ...take(made.model, noOptimizers, batch, { globalStep }) };
  }
  const gradients = made.model
    .namedParameters()
    .flatMap(([name, { grad }]) => (grad ? [[name, grad] as const] : []));
  return { gradients: new Map<string, Tensor>(gradients), log, loss: made.loss };
}

function assertClose(t: ExecutionContext, name: string, actual: unknown, expected: unknown): void {
  const number = (value: unknown) => (value instanceof torch.Tensor ? value : torch.tensor(Number(value)));
  const error = number(actual).sub(number(expected)).abs().max().item();
  t.true(error <= 1e-10 * Math.max(1, number(expected).abs().max().item()), `${name}: ${error}`);
}

const onDiscriminator = ([name]: readonly [string, Tensor]) => name.startsWith('loss.discriminator');
const sizeOf = (gradients: Iterable<readonly [string, Tensor]>) =>
  Math.max(...[...gradients].map(([, gradient]) => gradient.abs().max().item()));

const titleOf = (loss: Loss) =>
  JSON.stringify(loss, (_, value: unknown) =>
    typeof value === 'function' ? (value as () => object)().constructor.name : value,
  );

for (const [loss, steps] of [
  [{ discStart: 2, discWarmup: 1 }, [1]],
  [{ discAdaptiveWeight: false, discWeight: 0.3 }, [1]],
  [{ maxAdaptiveWeight: 0.01, discWeight: 0.8 }, [1]],
  [{ adaptiveWeightSmoothing: 0.5 }, [0, 1, 2]],
  [{ lecamLossWeight: 3, lecamDecay: 0.5 }, [0, 1, 2]],
  [{ discLoss: 'non-saturating' }, [1]],
  [{ r1Weight: 10, r1Every: 2 }, [1, 2]],
  [{ diffAugment }, [1]],
  [{ discSpectralNorm: true }, [1]],
  [{ discriminator: stylegan, r1Weight: 1, r1Every: 1 }, [1]],
  [{ discriminator: stylegan2(2), r1Weight: 1, r1Every: 1 }, [1]],
  [{ discriminator: maskbit, r1Weight: 1, r1Every: 1 }, [1]],
  [{ discriminator: maskbit, r1Weight: 1, r1Every: 1, diffAugment, discLoss: 'non-saturating' }, [1]],
  [{ discSpectralNorm: true, r1Weight: 10, r1Every: 1, diffAugment, lecamLossWeight: 1 }, [1]],
] as [Loss, number[]][]) {
  test(`gradients and log of the one-pass step are the reference step’s: ${titleOf(loss)}`, (t) => {
    torch.scope(() => {
      const [expected, actual, plain] = [
        stepped(referenceStep, loss, steps),
        stepped(onePassStep, loss, steps),
        stepped(onePassStep, 'discStart' in loss ? { discStart: loss.discStart } : {}, steps),
      ];
      t.deepEqual([...actual.gradients.keys()].sort(), [...expected.gradients.keys()].sort());
      for (const [name, gradient] of expected.gradients)
        assertClose(t, name, actual.gradients.get(name), gradient);
      for (const [name, value] of Object.entries(expected.log)) assertClose(t, name, actual.log[name], value);
      const unlike = [...actual.gradients].some(
        ([name, gradient]) => plain.gradients.get(name)?.allclose(gradient) !== true,
      );
      t.is(unlike, !('adaptiveWeightSmoothing' in loss), 'the weights of equal steps are their average');
    });
  });
}

for (const take of [onePassStep, referenceStep]) {
  test(`in a warm-up the discriminator learns, and the generator feels nothing: ${take.name}`, (t) => {
    torch.scope(() => {
      const at = (globalStep: number, loss: Loss) => stepped(take, { discStart: 3, ...loss }, [globalStep]);
      const [off, warm, on] = [at(1, {}), at(1, { discWarmup: 2 }), at(3, { discWarmup: 2 })];
      const of = ({ gradients }: typeof off) => [...gradients].filter(onDiscriminator);
      t.is(sizeOf(of(off)), 0);
      t.is(sizeOf(of(at(0, { discWarmup: 2 }))), 0);
      t.true(sizeOf(of(warm)) > 1e-3);
      for (const [name, gradient] of of(on)) assertClose(t, name, warm.gradients.get(name), gradient);
      for (const [name, gradient] of [...off.gradients].filter((entry) => !onDiscriminator(entry)))
        assertClose(t, name, warm.gradients.get(name), gradient);
      t.false(
        on.gradients.get('decoder.conv_out.weight')!.allclose(off.gradients.get('decoder.conv_out.weight')!),
      );
    });
  });
}

test('LeCam adds its term to the loss and the gradients of the discriminator only', (t) => {
  torch.scope(() => {
    const loss = { lecamLossWeight: 2, lecamDecay: 0.25 };
    const [plain, with2, with4] = [{}, loss, { ...loss, lecamLossWeight: 4 }].map((given) =>
      stepped(onePassStep, given, [1]),
    );
    const number = (of: typeof plain, key: string) => (of!.log[key] as Tensor).item();
    assertClose(
      t,
      'loss',
      number(with2, 'discLoss'),
      number(plain, 'discLoss') + 2 * number(with2, 'lecamLoss'),
    );
    t.is(number(plain, 'lecamLoss'), 0);
    t.is(with2!.loss.lecam!.logitsRealEma.item(), 0.75 * number(plain, 'logitsReal'));
    for (const [name, gradient] of plain!.gradients) {
      const [twice, four] = [with2!.gradients.get(name)!, with4!.gradients.get(name)!];
      assertClose(t, name, twice.sub(gradient).mul(2), four.sub(gradient));
    }
    const name = 'loss.discriminator.main.0.weight';
    t.true(with2!.gradients.get(name)!.sub(plain!.gradients.get(name)!).abs().max().item() > 1e-4);
  });
});

for (const take of [onePassStep, referenceStep])
  test(`R1 adds γ/2 · N · penalty at every N-th step, for the discriminator only: ${take.name}`, (t) => {
    torch.scope(() => {
      const settings = { r1Weight: 3, r1Every: 2 };
      for (const [at, factor] of [
        [1, 0],
        [2, 3],
      ] as const) {
        const [plain, penalised] = [stepped(take, {}, [at]), stepped(take, settings, [at])];
        const loss = ({ log }: typeof plain) => (log['discLoss'] as Tensor).item();
        const r1 = penalised.loss.r1!.last.item();
        t.is(r1 > 0, factor > 0);
        assertClose(t, 'loss', loss(penalised), loss(plain) + factor * r1);
        for (const [name, gradient] of plain.gradients) {
          const same = penalised.gradients.get(name)!.allclose(gradient);
          // Between ReLUs the network is linear, and its slope does not depend on biases.
          const moves = onDiscriminator([name, gradient]) && /(weight|scale)$/.test(name);
          t.is(same, factor === 0 || !moves, name);
        }
      }
    });
  });

test('a run takes the settings from its file, logs LeCam, and resumes its averages exactly', async (t) => {
  const folder = temporaryFolder(t);
  const loss = {
    disc_start: 2,
    disc_warmup: 1,
    max_adaptive_weight: 50,
    adaptive_weight_smoothing: 0.5,
    lecam_loss_weight: 0.5,
    lecam_decay: 0.5,
  };
  const create = (name: string) => vqganTrainer(join(folder, name), { steps: 4, logEvery: 1 }, loss);
  const whole = lossesOf(await eventsOf(await create('whole')));
  const first = lossesOf(await eventsOf(await create('parts'), 3));
  const rest = lossesOf(
    await eventsOf(await VqganTrainer.resume(join(folder, 'parts'), { images: images() })),
  );
  t.deepEqual(new Map([...first, ...rest]), whole);
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));
  const logged = [...whole.values()];
  t.deepEqual(
    logged.map(({ disc, weight, lecam }) => [disc! > 0, weight! > 0, lecam! > 0]),
    [
      [false, false, false],
      [true, false, true],
      [true, true, true],
      [true, true, true],
    ],
  );
  await t.throwsAsync(
    vqganTrainer(join(folder, 'late'), { discriminatorFrom: 0.5 }, { disc_start: 2, disc_warmup: 1 }),
    { message: /disc_warmup counts steps before disc_start, but training.discriminatorFrom=0.5/ },
  );
});

test('discriminatorFrom holds the discriminator back for a share of the run', async (t) => {
  const training = { steps: 4, logEvery: 1, discriminatorFrom: 0.5 };
  const run = join(temporaryFolder(t), 'run');
  const logged = [...lossesOf(await eventsOf(await vqganTrainer(run, training))).values()];
  t.deepEqual(
    logged.map(({ disc, weight }) => [disc! > 0, weight! > 0]),
    [
      [false, false],
      [false, false],
      [true, true],
      [true, true],
    ],
  );
});
