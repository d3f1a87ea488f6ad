// Our arm of memory.ts: runs one case and prints levels of this process's resident memory in MB, and a time in ms.
import { readFileSync } from 'node:fs';
import {
  VQLPIPSWithDiscriminator,
  VQModel,
  backbones,
  onePassStep,
  optim,
  referenceStep,
  torch,
} from 'tessera-torch';

/** VmRSS is the level now, VmHWM the peak. The peak of getrusage would include the parent's, taken over at fork. */
function megabytes(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) / 1024;
}

const shape = { ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 };

/** Does the work once; the number tells whether both arms did the same. */
type Work = () => number;

function decoding(): Work {
  const model = new VQModel(shape).eval();
  return () =>
    torch.noGrad(() =>
      torch.scope(() => {
        const image = model.decode(torch.randn([1, 256, 32, 32]));
        return Number(image.norm().item());
      }),
    );
}

function training(step: typeof referenceStep): Work {
  const model = new VQModel({
    ...shape,
    lossconfig: () => new VQLPIPSWithDiscriminator({ discStart: 0 }), // made in the middle: one seed, Python's weights
  }).train();
  const loss = model.loss as VQLPIPSWithDiscriminator;
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
  const settings: optim.AdamOptions = { lr: 4.5e-6, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  let globalStep = 0;
  return () =>
    torch.scope(() => {
      step(model, optimizers, torch.rand([1, 3, 128, 128]).mul(2).sub(1), { globalStep: globalStep++ });
      return Number(model.lastLayer.grad!.norm().item());
    });
}

const cases: Record<string, () => Work> = {
  decode: decoding,
  'reference step': () => training(referenceStep),
  'one-pass step': () => training(onePassStep),
};

const [name = '', times = '2'] = process.argv.slice(2);
torch.manualSeed(0);
const start = megabytes('VmRSS');
const run = cases[name]!();
const built = megabytes('VmRSS');
let first = 0;
let time = 0;
let check = 0;
for (let i = 0; i < Number(times); i++) {
  const before = performance.now();
  check = run();
  time = performance.now() - before;
  if (i === 0) first = megabytes('VmHWM');
}
console.log(
  JSON.stringify({
    threads: torch.getNumThreads(),
    start,
    built,
    first,
    peak: megabytes('VmHWM'),
    time,
    check,
  }),
);
