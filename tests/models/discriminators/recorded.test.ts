/** Discriminators and R1, against values recorded from the published implementations: see fixtures/golden/README.md. */
import test from 'ava';
import {
  MaskBitDiscriminator,
  StyleGAN2Discriminator,
  StyleGANDiscriminator,
  type Discriminator,
} from '../../../src/models/discriminators/index.js';
import { r1 } from '../../../src/models/losses/r1.js';
import * as torch from '../../../src/torch/index.js';
import { assertChecks } from '../../golden/assert.js';
import { compareNumber, type Check } from '../../golden/data.js';
import { BOUND, zooCases } from '../../golden/zoo.js';

const classes = { MaskBitDiscriminator, StyleGAN2Discriminator, StyleGANDiscriminator };

type NormsAndSums = Record<string, [norm: number, sum: number]>;

/** Compares the norm and the sum of each gradient, and removes it. */
function gradients(discriminator: Discriminator, expected: unknown, name: string): Check[] {
  const recorded = { ...(expected as NormsAndSums) };
  const checks: Check[] = [];
  for (const [key, parameter] of discriminator.namedParameters()) {
    const { grad } = parameter;
    if (!(key in recorded)) {
      // R1 does not depend on the bias of the logits.
      if (grad) checks.push({ name: `${name} of ${key} must be null`, error: Infinity, bound: 0 });
      continue;
    }
    const [norm, sum] = recorded[key]!;
    delete recorded[key];
    if (!grad) {
      checks.push({ name: `${name} of ${key} is missing`, error: norm === 0 ? 0 : Infinity, bound: 0 });
      continue;
    }
    checks.push(
      compareNumber(`${name} norm of ${key}`, torch.linalgVectorNorm(grad).item(), norm, BOUND),
      // A sum may cancel: its error counts against the norm.
      {
        name: `${name} sum of ${key}`,
        error: Math.abs(grad.sum().item() - sum) / Math.max(norm, 1e-3),
        bound: BOUND,
      },
    );
    parameter.grad = null;
  }
  for (const key of Object.keys(recorded))
    checks.push({ name: `${key} is missing`, error: Infinity, bound: 0 });
  return checks;
}

for (const { name, given, data } of await zooCases('gan')) {
  const Class = classes[given.class as keyof typeof classes];
  if (!Class) continue;
  test(`as recorded from the published implementation: ${name}`, (t) => {
    torch.scope(() => {
      const recorded = data();
      const discriminator = new Class(given.options).double();
      discriminator.loadStateDict(recorded.below('state.'));
      const x = recorded.need('x').clone().requiresGrad_();
      const logits = discriminator.forward(x);
      logits.square().mean().backward();
      const checks = [...recorded.is('logits', logits), ...recorded.is('grad.x', x.grad!)];
      checks.push(...gradients(discriminator, given['gradNormAndSum'], 'gradient'));
      const penalty = r1(discriminator, x);
      penalty.backward();
      checks.push(
        ...recorded.is('r1', penalty),
        ...gradients(discriminator, given['r1GradNormAndSum'], 'R1'),
      );
      assertChecks(t, checks);
      t.deepEqual(recorded.left, [], 'every recorded value is compared');
    });
  });
}
