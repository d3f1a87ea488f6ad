/** Steps in the precisions of `training.precision`, compared with those in float32. */
import test from 'ava';
import { resolveConfig } from '../../../src/runs/config.js';
import type { Precision } from '../../../src/runs/setting-kinds.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { GuardedOptimizer } from '../../../src/training/engine/guarded-optimizer.js';
import { MixedPrecision } from '../../../src/training/engine/mixed-precision.js';
import { buildVqgan } from '../../../src/training/stages/vqgan/build.js';
import { lossOf } from '../../../src/training/stages/vqgan/loss.js';
import { segmentation } from '../map-configs.js';
import { vqganConfig } from '../tiny.js';

type Settings = Record<string, unknown>;

function built(precision: Precision, training: Settings = {}, loss: Settings = {}) {
  torch.manualSeed(1);
  const config = vqganConfig(training);
  Object.assign(config.model.params.lossconfig.params, loss);
  const parts = buildVqgan(resolveConfig('vqgan', config), precision, 'cpu', true);
  return { ...parts, batch: torch.rand([2, 3, 16, 16]) };
}

/** Losses of a step as numbers. */
const read = (losses: Record<string, Tensor | number>) =>
  Object.fromEntries(
    Object.entries(losses).map(([name, loss]) => [name, typeof loss === 'number' ? loss : loss.item()]),
  );

const apart = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);

for (const [precision, computed, stored, scale] of [
  ['float32', 'float32', 'float32', undefined],
  ['bfloat16', 'bfloat16', 'bfloat16', undefined],
  ['float16', 'float16', 'float16', 65536],
  ['autocast-bfloat16', 'bfloat16', 'float32', undefined],
  ['autocast-float16', 'float16', 'float32', 65536],
] as const) {
  test.serial(`in ${precision} networks compute in ${computed}, codes and losses in float32`, (t) => {
    torch.scope(() => {
      const { model, step, batch, precision: mixed } = built(precision);
      const seen: Settings = {};
      const dtypeOf = (value: unknown) => (value as Tensor).dtype;
      const { convIn } = model.encoder;
      convIn.registerForwardHook((_, __, output) => void (seen['network'] = dtypeOf(output)));
      model.quantize.registerForwardPreHook((_, [z]) => void (seen['codes'] = dtypeOf(z)));
      model.registerForwardHook((_, __, output) => {
        seen['reconstruction'] = dtypeOf((output as { reconstruction: Tensor }).reconstruction);
      });
      const { losses } = step(batch, 0);
      t.deepEqual(seen, { network: computed, codes: 'float32', reconstruction: 'float32' });
      t.is(convIn.weight.dtype, stored);
      t.is((losses['rec'] as Tensor).dtype, 'float32');
      t.is((losses['weight'] as Tensor).dtype, 'float32');
      t.is(read(losses)['scale'], scale);
      t.is(mixed.scaler === null, scale === undefined);
      t.true(mixed.masters.of(model.generatorParameters()).every(({ dtype }) => dtype === 'float32'));
      model.eval();
      torch.noGrad(() => model.forward(batch));
      t.is(seen['network'], precision.startsWith('autocast') ? 'float32' : computed);
    });
  });
}

const small = { pixelloss_weight: 1e-5, codebook_weight: 0 };

for (const training of [
  {},
  { step: 'reference' },
  { accumulate: 2 },
  { step: 'reference', accumulate: 2, activationCheckpointing: true },
]) {
  test.serial(`gradients too small for float16 arrive: ${JSON.stringify(training)}`, (t) => {
    torch.scope(() => {
      const figures = (precision: Precision) => {
        const { step, batch } = built(precision, { ...training, clipNorm: 1 }, small);
        return read(step(batch, 0).losses);
      };
      const expected = figures('float32');
      for (const precision of ['float16', 'autocast-float16'] as const) {
        const actual = figures(precision);
        for (const name of ['rec', 'weight', 'norm', 'discNorm']) {
          t.true(apart(actual[name]!, expected[name]!) < 0.03, `${name} ${actual[name]} ${expected[name]}`);
          t.not(actual[name], expected[name]);
        }
      }
    });
  });
}

test.serial('a first stage of label maps learns in float16, too', (t) => {
  torch.scope(() => {
    const figures = (precision: Precision) => {
      torch.manualSeed(1);
      const config = resolveConfig('vqgan', segmentation({ clipNorm: 1 }));
      const { step } = buildVqgan(config, precision, 'cpu', true);
      const batch = torch
        .oneHot(torch.randint(0, 9, [2, 16, 16]), 9)
        .permute([0, 3, 1, 2])
        .float();
      return read(step(batch, 0).losses);
    };
    const [{ scale, ...actual }, expected] = [figures('float16'), figures('float32')];
    t.is(scale, 65536);
    for (const [name, value] of Object.entries(actual)) t.true(apart(value, expected[name]!) < 0.02, name);
  });
});

test.serial('an adaptive weight whose gradients overflow leaves the step out, and no trace', (t) => {
  torch.scope(() => {
    const smoothed = { adaptive_weight_smoothing: 0.5 };
    const { model, step, batch, optimizers, precision } = built('float16', { clipNorm: 1 }, smoothed);
    let overflows = false;
    const enough = 2 ** 15;
    model.decoder.convOut.weight.registerHook((gradient) => (overflows ? gradient.mul(enough) : undefined));
    const state = () =>
      torch.cat(
        [...precision.masters.stateDict(model.stateDict())]
          .filter(([key]) => /^(encoder|decoder|loss\.adversarial)/.test(key))
          .map(([, tensor]) => tensor.detach().flatten()),
      );
    const first = read(step(batch, 0).losses);
    const before = state();
    overflows = true;
    const second = read(step(batch, 1).losses);
    t.deepEqual([first['scale'], second['scale']], [65536, 32768]);
    t.deepEqual([second['weight'], second['norm']], [NaN, NaN]);
    t.true(second['rec']! > 0 && second['discNorm']! > 0);
    t.true(state().equal(before));
    overflows = false;
    const third = read(step(batch, 2).losses);
    t.true(third['weight']! > 0 && third['norm']! > 0);
    t.false(state().equal(before));
    const stepsOf = (name: string) =>
      [...optimizers[name]!.state.values()].map(({ step: taken }) => taken!.item());
    t.deepEqual([...new Set(stepsOf('generator'))], [2]);
    t.deepEqual([...new Set(stepsOf('discriminator'))], [3]);
  });
});

const penalised = { r1_weight: 1, r1_every: 2, use_actnorm: true };

for (const training of [{}, { accumulate: 2 }, { step: 'reference' }, { step: 'reference', accumulate: 2 }])
  test.serial(`R1 that overflows float16 is no alarm: ${JSON.stringify(training)}`, (t) => {
    torch.scope(() => {
      const settings = { ...training, nonFinite: 'stop', saveEvery: 2 };
      const { model, step, batch, check, optimizers } = built('float16', settings, penalised);
      const lastLayer = lossOf(model).discriminator.parameters().at(-2)!;
      const stepsOfDiscriminator = () =>
        [...optimizers['discriminator']!.state.values()][0]?.step?.item() ?? 0;
      // The first scale, 65536, is itself more than float16 can hold, and so is 32768 times weights of 50.
      const figures = [1e-6, 1e-6, 50].map((weights, i) => {
        torch.noGrad(() => lastLayer.fill_(weights));
        const losses = check!.around(i + 1, () => step(batch, 2 * i).losses);
        return { ...read(losses), steps: stepsOfDiscriminator() };
      }) as Record<string, number>[];
      const r1 = figures.map((of) => of['r1']!);
      t.true(r1[0] === 0 && r1[1]! > 0 && r1[2] === r1[1], `the last finite one: ${r1.join(', ')}`);
      t.true(
        figures.every(({ disc }) => disc! > 0 && disc! < Infinity),
        'without the penalty',
      );
      t.deepEqual(
        figures.map(({ steps }) => steps),
        [0, 1, 1],
      );
      t.is(figures[0]!['scale'], 32768);
      t.is(figures[2]!['scale'], figures[1]!['scale']! / 2);
      t.is(check!.report(), null);
    });
  });

test.serial('R1 that is infinite is an alarm in float32, and is not saved', (t) => {
  torch.scope(() => {
    const { model, step, batch, check } = built('float32', { nonFinite: 'stop' }, penalised);
    const { discriminator, r1 } = lossOf(model);
    torch.noGrad(() => discriminator.parameters().at(-2)!.fill_(1e30));
    const { disc } = read(check!.around(1, () => step(batch, 0).losses));
    t.false(Number.isFinite(disc), `${disc}`);
    t.is(r1!.last.item(), 0);
    t.regex(String(check!.report()?.what), /is NaN or infinite at step 1/);
  });
});

const makes: Record<string, (parameters: readonly Tensor[]) => optim.Adam | optim.NAdam | optim.SGD> = {
  Adam: (parameters) => new optim.Adam(parameters, { lr: 0.1 }),
  'Adam without its kernel': (parameters) => new optim.Adam(parameters, { lr: 0.1, fused: false }),
  NAdam: (parameters) => new optim.NAdam(parameters, { lr: 0.1 }),
  SGD: (parameters) => new optim.SGD(parameters, { lr: 0.1, momentum: 0.9 }),
};

for (const [name, make] of Object.entries(makes)) {
  for (const skip of [false, true]) {
    test(`an overflow is not an alarm until the scale is small: ${name}, skip: ${skip}`, (t) => {
      torch.scope(() => {
        const weight = new nn.Parameter(torch.tensor([1, 2]));
        const optimizer = make([weight]);
        const scaler = new torch.amp.GradScaler({ initScale: 2 ** -12 });
        const guarded = new GuardedOptimizer(optimizer, { skip, scaler });
        const seen = [1, Infinity, NaN, 1].map((factor) => {
          guarded.zeroGrad();
          scaler.scale(weight.mul(torch.floatScalar(factor)).sum()).backward();
          guarded.step();
          scaler.update();
          return { finite: guarded.finite.item(), weight: weight.tolist(), scale: scaler.getScale() };
        });
        t.deepEqual(
          seen.map(({ finite }) => finite),
          [true, true, true, true],
        );
        t.deepEqual(
          seen.map(({ scale }) => Math.log2(scale)),
          [-12, -13, -14, -14],
        );
        t.deepEqual([seen[1]!.weight, seen[2]!.weight], [seen[0]!.weight, seen[0]!.weight]);
        t.notDeepEqual(seen[3]!.weight, seen[0]!.weight);
        weight.grad = torch.tensor([NaN, 1]);
        guarded.step();
        t.false(guarded.finite.item(), '2 ** -14 is below 1e-4');
        t.deepEqual(weight.tolist(), seen[3]!.weight);
      });
    });
  }
}

test('without float16 nothing stands around an optimizer', (t) => {
  const layer = new nn.Linear(2, 2);
  const optimizer = new optim.SGD(layer.parameters(), { lr: 1 });
  const how = {
    copies: layer.parameters(),
    names: ['weight', 'bias'],
    optimizer,
    clipped: optimizer,
    check: null,
  };
  for (const precision of ['float32', 'autocast-bfloat16'] as const)
    t.is(new MixedPrecision(precision, layer).stepper(how), optimizer);
});
