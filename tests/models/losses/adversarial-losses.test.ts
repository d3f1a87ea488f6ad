/** Adversarial losses and LeCam, against values recorded from the published implementations. */
import test from 'ava';
import {
  hingeDiscriminatorLoss,
  hingeGeneratorLoss,
  nonSaturatingDiscriminatorLoss,
  nonSaturatingGeneratorLoss,
  vanillaDiscriminatorLoss,
} from '../../../src/models/losses/adversarial-losses.js';
import { LeCam } from '../../../src/models/losses/lecam.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { assertChecks } from '../../golden/assert.js';
import { compareNumber } from '../../golden/data.js';
import { BOUND, zooCases } from '../../golden/zoo.js';

const cases = await zooCases('gan');
const caseOf = (name: string) => cases.find((one) => one.name === name)!;

const losses: Record<string, (real: Tensor, fake: Tensor) => Tensor> = {
  hingeD: hingeDiscriminatorLoss,
  vanillaD: vanillaDiscriminatorLoss,
  hingeG: (_, fake) => hingeGeneratorLoss(fake),
  vanillaG: (_, fake) => F.softplus(fake.neg()).mean(),
  nonSaturatingD: nonSaturatingDiscriminatorLoss,
  nonSaturatingG: (_, fake) => nonSaturatingGeneratorLoss(fake),
};

test('losses and their gradients are the recorded ones, but for LlamaGen’s swapped non-saturating pair', (t) => {
  torch.scope(() => {
    const recorded = caseOf('losses').data();
    const given = [recorded.need('real'), recorded.need('fake')];
    const checks = Object.entries(losses).flatMap(([name, loss]) => {
      const [real, fake] = given.map((logits) => logits.clone().requiresGrad_()) as [Tensor, Tensor];
      const value = loss(real, fake);
      value.backward();
      return [
        ...recorded.is(name, value),
        ...recorded.maybe(`${name}.grad.real`, () => real.grad!),
        ...recorded.is(`${name}.grad.fake`, fake.grad!),
      ];
    });
    assertChecks(t, checks);
    t.deepEqual(
      recorded.left.filter((key) => !key.includes('LlamaGen')),
      [],
    );
    // Linear in the logits, and the discriminator learns nothing from reconstructions: why it is not offered.
    t.is(recorded.need('nonSaturatingDLlamaGen.grad.fake').abs().max().item(), 0);
  });
});

test('LeCam is the recorded one', (t) => {
  torch.scope(() => {
    const { data, given } = caseOf('lecam');
    const recorded = data();
    const { decay, steps } = given.options as { decay: number; steps: number };
    const lecam = new LeCam(decay).to('float64');
    const checks = Array.from({ length: steps }, (_, step) => {
      const logits = (name: string) => recorded.need(`step${step}.${name}`).clone().requiresGrad_();
      const [real, fake] = [logits('real'), logits('fake')];
      const term = lecam.forward(real, fake);
      term.backward();
      const [emaReal, emaFake] = (given['emaAfterStep'] as [number, number][])[step]!;
      return [
        ...recorded.is(`step${step}.regularisation`, term),
        ...recorded.is(`step${step}.grad.real`, real.grad!),
        ...recorded.is(`step${step}.grad.fake`, fake.grad!),
        compareNumber(`step${step} average of real`, lecam.logitsRealEma.item(), emaReal, BOUND),
        compareNumber(`step${step} average of fake`, lecam.logitsFakeEma.item(), emaFake, BOUND),
      ];
    });
    assertChecks(t, checks.flat());
    t.deepEqual(recorded.left, []);
  });
});
