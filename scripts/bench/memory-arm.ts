// Our arm of vqgan-memory.ts: runs one case and prints this process's peak resident memory in MB.
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

torch.setNumThreads(1);
torch.manualSeed(0);
const [name = ''] = process.argv.slice(2);
const shape = { ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 };

function decode(): void {
  const model = new VQModel(shape).eval();
  torch.noGrad(() =>
    torch.scope(() => {
      model.decode(torch.randn([1, 256, 32, 32]));
    }),
  );
}

function train(step: typeof referenceStep): void {
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
  const model = new VQModel({ ...shape, lossconfig: loss }).train();
  const settings: optim.AdamOptions = { lr: 4.5e-6, betas: [0.5, 0.9] };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  for (let globalStep = 0; globalStep < 2; globalStep++) {
    torch.scope(() => {
      step(model, optimizers, torch.rand([1, 3, 128, 128]).mul(2).sub(1), { globalStep });
    });
  }
}

const cases: Record<string, () => void> = {
  'decode 512x512': decode,
  'reference step 128x128': () => train(referenceStep),
  'one-pass step 128x128': () => train(onePassStep),
};
cases[name]!();
console.log(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024);
