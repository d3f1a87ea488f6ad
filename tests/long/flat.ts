/**
 * `npm run test:long -- flat [steps]`: 10,000 steps that train a small VQGAN, as a user writes them, leave the number of live
 * tensors, libtorch's bytes and the resident memory flat: the least-squares slopes from step 1,000 on are at most 1 KB a
 * step for memory and nothing for tensors. One thread, seeded; about eight minutes. Exits with 1 where that does not hold.
 */
import { readFileSync } from 'node:fs';
import { onePassStep, optim, torch, VQLPIPSWithDiscriminator, VQModel } from 'tessera-torch';

const STEPS = Number(process.argv[2] ?? 10_000);
// Caches fill first: oneDNN's kernels, the optimizers' states, compiled JavaScript.
const WARM_UP = Math.min(1000, STEPS / 10);
const EVERY = 10;
const LIMIT = 1024;

torch.setNumThreads(1);
torch.manualSeed(0);
const loss = new VQLPIPSWithDiscriminator({ discStart: WARM_UP / 2, discNdf: 16, discNumLayers: 2 });
loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
const model = new VQModel({
  ddconfig: {
    doubleZ: false,
    zChannels: 32,
    resolution: 16,
    inChannels: 3,
    outCh: 3,
    ch: 32,
    chMult: [1, 2],
    numResBlocks: 1,
    attnResolutions: [8],
  },
  lossconfig: loss,
  nEmbed: 64,
  embedDim: 32,
}).train();
const settings: optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9] };
const optimizers = {
  generator: new optim.Adam(model.generatorParameters(), settings),
  discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
};

function step(globalStep: number): number {
  return torch.scope(() => {
    const batch = torch.rand([1, 3, 16, 16]).mul(2).sub(1);
    return onePassStep(model, optimizers, batch, { globalStep }).totalLoss.item();
  });
}

interface Sample {
  step: number;
  resident: number;
  libtorch: number;
  tensors: number;
}

/**
 * The resident memory that is the process's own. That of mapped files, which is libtorch's code, the system takes away and
 * gives back as other processes need memory.
 */
function residentBytes(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const [, kilobytes] = /^RssAnon:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  return Number(kilobytes) * 1024;
}

function sample(done: number): Sample {
  const { tensors, bytes } = torch.memory();
  return { step: done, resident: residentBytes(), libtorch: bytes['cpu']!, tensors };
}

/** Of the least-squares line through what was measured, per step. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = samples.map((one) => one.step);
  const y = samples.map(of);
  const [middle, level] = [mean(x), mean(y)];
  const covariance = mean(x.map((value, i) => (value - middle) * (y[i]! - level)));
  return covariance / mean(x.map((value) => (value - middle) ** 2));
}

const samples: Sample[] = [];
let lowest = Infinity;
for (let done = 1; done <= STEPS; done++) {
  const value = step(done - 1);
  if (!Number.isFinite(value)) throw new Error(`step ${done}: the loss is ${value}`);
  lowest = Math.min(lowest, value);
  if (done >= WARM_UP && done % EVERY === 0) samples.push(sample(done));
  if (done % (STEPS / 10) === 0) {
    const { resident, libtorch, tensors } = sample(done);
    console.log(
      `step ${done}: ${(resident / 1e6).toFixed(1)} MB resident, ${(libtorch / 1e6).toFixed(1)} MB in libtorch, ` +
        `${tensors} tensors, loss ${value.toFixed(3)}`,
    );
  }
}

const found = {
  resident: slope(samples, (one) => one.resident),
  libtorch: slope(samples, (one) => one.libtorch),
  tensors: slope(samples, (one) => one.tensors),
};
const flat = found.resident < LIMIT && found.libtorch < LIMIT && found.tensors <= 0;
console.log(
  `${flat ? 'flat' : 'NOT FLAT'}: from step ${WARM_UP} to ${STEPS}, ${found.resident.toFixed(1)} bytes a step resident, ` +
    `${found.libtorch.toFixed(3)} in libtorch, ${found.tensors} tensors (at most ${LIMIT}, ${LIMIT} and 0)`,
);
if (!flat) process.exitCode = 1;
