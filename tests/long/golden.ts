/**
 * Proves that the golden checks assert something: changes one floating-point tensor at a time by 1% (random
 * signs, so that no normalisation cancels it; ±0.01 where a tensor is all zeros) and demands that a check fails.
 * Integer buffers and masks are left alone. Tensors without influence must be listed as exceptions, with the reason, and
 * are then shown to have none.
 *
 *     npm run test:long -- golden [part of a subject's name]
 */
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { failures, worst } from '../golden/data.js';
import type { Check, Weights } from '../golden/data.js';
import { stage1Subjects } from '../golden/stage1-subjects.js';
import { stage2Subjects } from '../golden/stage2-subjects.js';
import type { Subject } from '../golden/subject.js';

const change = 0.01;
let perturbations = 0;

function perturbed(tensor: Tensor): Tensor {
  return torch.scope(() => {
    const signs = torch.rand(tensor.shape, { dtype: tensor.dtype }).sub(0.5).sign();
    const allZero = Number(tensor.abs().max().item()) === 0;
    return allZero ? signs.mul(change) : tensor.mul(signs.mul(change).add(1));
  });
}

/** The first check that fails with these weights, groups tried in turn. */
function firstFailure(subject: Subject, weights: Weights): Check | undefined {
  for (const check of subject.checks) {
    const failed = failures(torch.scope(() => check(weights)));
    if (failed.length > 0) return worst(failed);
  }
  return undefined;
}

/** Runs a subject and prints a line a tensor; gives the number of tensors that are not as they should be. */
function prove(subject: Subject): number {
  console.log(`\n${subject.name}`);
  const before = firstFailure(subject, subject.weights);
  if (before) {
    console.log(`  WRONG  unperturbed weights fail ${before.name}: ${before.error} > ${before.bound}`);
    return 1;
  }
  const unknown = [...subject.exceptions.keys()].filter((key) => !subject.weights.has(key));
  for (const key of unknown) console.log(`  WRONG  the exception ${key} names no tensor`);
  let wrong = unknown.length;
  for (const [key, tensor] of subject.weights) {
    if (!tensor.dtype.startsWith('float') || subject.leftAlone?.test(key)) continue;
    const failed = torch.scope(() =>
      firstFailure(subject, new Map([...subject.weights, [key, perturbed(tensor)]])),
    );
    perturbations += 1;
    const reason = subject.exceptions.get(key);
    const right = Boolean(failed) !== Boolean(reason);
    if (!right) wrong += 1;
    const found = failed ? `fails ${failed.name} (${failed.error.toExponential(1)})` : 'fails no check';
    console.log(`  ${right ? 'ok   ' : 'WRONG'}  ${key}: ${found}${reason ? `; exception: ${reason}` : ''}`);
  }
  return wrong;
}

torch.manualSeed(1);
const [wanted = ''] = process.argv.slice(2);
const subjects = [...(await stage1Subjects()), ...(await stage2Subjects())].filter(({ name }) =>
  name.toLowerCase().includes(wanted.toLowerCase()),
);
let wrong = 0;
for (const subject of subjects) wrong += prove(subject);
console.log(`\n${perturbations} tensors of ${subjects.length} subjects perturbed, ${wrong} wrong`);
process.exitCode = wrong === 0 && subjects.length > 0 ? 0 : 1;
