/**
 * All twelve steps of the reference's training in float64: every logged number, and the weights after the last step.
 *
 *     npm run test:long -- trajectory
 */
import { failures, goldenTensors } from '../golden/data.js';
import { checkTrajectory, drawLpipsWeights, joined, makeModel } from '../golden/vqgan.js';

const made = makeModel();
made.model.loadStateDict(joined(await goldenTensors('vqgan-weights'), drawLpipsWeights()));
const checks = checkTrajectory(made, await goldenTensors('vqgan-trajectory'));
const failed = failures(checks);
for (const { name, error, bound } of failed) console.log(`WRONG  ${name}: ${error} > ${bound}`);
console.log(`${checks.length} numbers and tensors compared, ${failed.length} wrong`);
process.exitCode = failed.length === 0 && checks.length > 0 ? 0 : 1;
