import test from 'ava';
import { MaskBitDiscriminator } from '../../../src/models/discriminators/maskbit.js';
import * as torch from '../../../src/torch/index.js';
import {
  hingeDiscriminatorLoss,
  vanillaDiscriminatorLoss,
} from '../../../src/models/losses/adversarial-losses.js';
import { VQLPIPSWithDiscriminator } from '../../../src/models/losses/vqgan-loss.js';
import type { VQLPIPSWithDiscriminatorConfig } from '../../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { onePassStep } from '../../../src/training/stages/vqgan/one-pass-step.js';
import { referenceStep } from '../../../src/training/stages/vqgan/reference-step.js';
import { goldenBackbone, noOptimizers } from '../../golden/vqgan.js';

const small = { discStart: 0, discNdf: 8, discNumLayers: 1, perceptualWeight: 0 };

function make(config: Partial<VQLPIPSWithDiscriminatorConfig> = {}): VQLPIPSWithDiscriminator {
  return new VQLPIPSWithDiscriminator({ ...small, ...config });
}

const near = (a: unknown, b: number) => Math.abs(Number(a) - b) < 1e-6;

test('hinge and vanilla losses', (t) => {
  const real = torch.tensor([2, 0.5]);
  const fake = torch.tensor([-3, 0.25]);
  t.true(near(hingeDiscriminatorLoss(real, fake).item(), 0.5 * ((0 + 0.5) / 2 + (0 + 1.25) / 2)));
  const softplus = (x: number) => Math.log1p(Math.exp(x));
  const vanilla = 0.5 * ((softplus(-2) + softplus(-0.5)) / 2 + (softplus(-3) + softplus(0.25)) / 2);
  t.true(near(vanillaDiscriminatorLoss(real, fake).item(), vanilla));
  t.true(near(make({ discLoss: 'vanilla' }).discriminatorLoss(real, fake).item(), vanilla));
});

test('the adaptive weight is the ratio of gradient norms, clamped, times discWeight', (t) => {
  const loss = make({ discWeight: 0.5 });
  const [three, four] = [torch.tensor([3, 0]), torch.tensor([0, 4])];
  t.true(near(loss.adaptiveWeight(three, four).item(), (0.5 * 3) / 4.0001));
  t.is(loss.adaptiveWeight(torch.tensor([1e9]), torch.tensor([0])).item(), 5000);
  t.is(loss.adaptiveWeight(three.to('bfloat16'), four.to('bfloat16')).dtype, 'float32');
  t.is(loss.adaptiveWeight(three.double(), four.double()).dtype, 'float64');
});

test('the discriminator starts at discStart', (t) => {
  const loss = make({ discStart: 5, discFactor: 0.7 });
  t.deepEqual(
    [0, 4, 5, 6].map((step) => loss.discFactorAt(step)),
    [0, 0, 0.7, 0.7],
  );
});

test('pixellossWeight acts', (t) => {
  const [x, y] = [torch.zeros([1, 3, 16, 16]), torch.full([1, 3, 16, 16], 0.5)];
  t.is(make().reconstructionLoss(x, y).nll.item(), 0.5);
  t.is(make({ pixellossWeight: 3 }).reconstructionLoss(x, y).nll.item(), 1.5);
});

test.serial('without LPIPS weights the term is off, and that is said once', async (t) => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  const loss = make({ perceptualWeight: 1 });
  const [x, y] = [torch.zeros([1, 3, 16, 16]), torch.full([1, 3, 16, 16], 0.5)];
  for (let i = 0; i < 2; i++) {
    const { nll, perceptual } = loss.reconstructionLoss(x, y);
    t.is(nll.item(), 0.5);
    t.is(perceptual.item(), 0);
  }
  make().reconstructionLoss(x, y); // weight 0: nothing to say
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  t.is(warnings.filter(({ name }) => name === 'TesseraWarning').length, 1);
  t.regex(warnings[0]!.message, /VQLPIPSWithDiscriminator loads them with loadStateDict/);
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict());
  t.not(loss.reconstructionLoss(x, y).perceptual.item(), 0);
});

test('a conditional discriminator sees image and condition; a plain one refuses a condition', (t) => {
  const x = torch.zeros([1, 3, 16, 16]);
  const cond = torch.zeros([1, 2, 16, 16]);
  t.deepEqual(make({ discConditional: true, discInChannels: 5 }).logits(x, cond).ndim, 4);
  t.throws(() => make({ discConditional: true, discInChannels: 5 }).logits(x), {
    message: /pass the condition/,
  });
  t.throws(() => make().logits(x, cond), { message: /without discConditional/ });
});

test('wrong settings are errors', (t) => {
  const bad = (config: object) => () =>
    new VQLPIPSWithDiscriminator(config as VQLPIPSWithDiscriminatorConfig);
  t.throws(bad({}), { instanceOf: TypeError, message: /discStart is missing/ });
  t.throws(bad({ discStart: 0, discLoss: 'wasserstein' }), {
    instanceOf: RangeError,
    message: /"hinge", "vanilla", "non-saturating"/,
  });
  t.throws(bad({ discStart: 0, diffAugment: 'color', discConditional: true }), {
    instanceOf: RangeError,
    message: /diffAugment moves images, but not the conditions.*leave out one of the two/,
  });
  t.throws(bad({ discStart: 0, discriminator: new MaskBitDiscriminator({}), discNumLayers: 2 }), {
    instanceOf: TypeError,
    message: /discNumLayers belongs to the patch discriminator.*leave discNumLayers out/,
  });
  t.throws(bad({ discStart: 0, r1Every: 0 }), { instanceOf: TypeError, message: /r1Every must be/ });
});

for (const step of [referenceStep, onePassStep]) {
  test(`${step.name} trains with vanilla loss, ActNorm and a condition`, (t) => {
    const loss = make({ discLoss: 'vanilla', useActnorm: true, discConditional: true, discInChannels: 4 });
    const model = new VQModel({
      ddconfig: goldenBackbone(),
      lossconfig: loss,
      nEmbed: 8,
      embedDim: 4,
    }).train();
    const batch = torch.rand([2, 3, 16, 16]).mul(2).sub(1);
    const log = step(model, noOptimizers, batch, { globalStep: 0, cond: torch.rand([2, 1, 16, 16]) });
    t.true(Number.isFinite(log.totalLoss.item()));
    t.true(model.generatorParameters().every(({ grad }) => grad?.isfinite().all().item()));
    t.true(loss.discriminator.parameters().every(({ grad }) => grad?.isfinite().all().item()));
    t.is(loss.discriminator.stateDict().get('main.3.initialized')!.item(), 1);
  });

  test(`${step.name} runs in bfloat16 with losses in float32`, (t) => {
    const loss = make();
    const model = new VQModel({ ddconfig: goldenBackbone(), lossconfig: loss, nEmbed: 8, embedDim: 4 });
    model.to('bfloat16').train();
    const batch = torch.rand([1, 3, 16, 16]).mul(2).sub(1).to('bfloat16');
    const log = step(model, noOptimizers, batch, { globalStep: 0 });
    for (const value of [log.totalLoss, log.nllLoss, log.quantLoss, log.gLoss, log.dWeight, log.discLoss]) {
      t.is(value.dtype, 'float32');
      t.true(Number.isFinite(value.item()));
    }
  });
}

test('a model without a loss cannot be trained by the steps, and the error says how', (t) => {
  const model = new VQModel({ ddconfig: goldenBackbone(), nEmbed: 8, embedDim: 4 });
  const batch = torch.zeros([1, 3, 32, 32]);
  for (const step of [referenceStep, onePassStep]) {
    t.throws(() => step(model, noOptimizers, batch, { globalStep: 0 }), { message: /lossconfig/ });
  }
});
