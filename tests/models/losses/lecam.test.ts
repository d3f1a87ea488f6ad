import test from 'ava';
import { LeCam } from '../../../src/models/losses/lecam.js';
import { VQLPIPSWithDiscriminator } from '../../../src/models/losses/vqgan-loss.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Agrees with the code of LeCam's authors, and of Open-MAGVIT2, to the last digits of float64.
test('the term pulls logits to the averages of the other kind, which move before it', (t) => {
  const lecam = new LeCam(0.9).to('float64');
  let [real, fake] = [0, 0];
  for (const [reals, fakes] of [
    [
      [0.5, 2, -1],
      [-0.5, 0.25, 1],
    ],
    [
      [1, -3, 0.75],
      [-2, 0, 0.1],
    ],
  ] as const) {
    real = 0.9 * real + 0.1 * mean(reals);
    fake = 0.9 * fake + 0.1 * mean(fakes);
    const above = reals.map((logit) => Math.max(0, logit - fake));
    const below = fakes.map((logit) => Math.max(0, real - logit));
    const expected = mean(above.map((value) => value ** 2)) + mean(below.map((value) => value ** 2));
    const given = [reals, fakes].map((logits) =>
      torch.tensor([...logits], { dtype: 'float64', requiresGrad: true }),
    );
    const term = lecam.forward(given[0]!, given[1]!);
    term.backward();
    const near = (actual: number, value: number) => t.true(Math.abs(actual - value) < 1e-12, `${actual}`);
    near(term.item(), expected);
    near(lecam.logitsRealEma.item(), real);
    near(lecam.logitsFakeEma.item(), fake);
    (given[0]!.grad!.tolist() as number[]).forEach((value, i) => near(value, (2 / 3) * above[i]!));
    (given[1]!.grad!.tolist() as number[]).forEach((value, i) => near(value, (-2 / 3) * below[i]!));
  }
});

test('a loss has LeCam and its averages in the state dict only if it has a weight', (t) => {
  const keys = (config: object) =>
    nn
      .skipInit(() => new VQLPIPSWithDiscriminator({ discStart: 0, ...config }))
      .stateDict()
      .keys();
  const plain = [...keys({})];
  const added = (config: object) => [...keys(config)].filter((key) => !plain.includes(key));
  t.deepEqual(added({ lecamLossWeight: 0.1 }), ['lecam.logits_real_ema', 'lecam.logits_fake_ema']);
  t.deepEqual(added({ adaptiveWeightSmoothing: 0.9 }), ['adversarial_weight.average']);
  t.deepEqual(added({ adaptiveWeightSmoothing: 0.9, discAdaptiveWeight: false }), []);
});
