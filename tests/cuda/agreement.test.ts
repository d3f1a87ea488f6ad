/** The same weights and inputs on the CPU and on the GPU, in float64 unless said otherwise. */
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { NLayerDiscriminator } from '../../src/models/discriminators/n-layer.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import { GumbelVQ, VQModel } from '../../src/models/autoencoder/vqgan.js';
import { filterLogits } from '../../src/sampling/logits.js';
import { generate } from '../../src/sampling/sampler.js';
import { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { referenceStep } from '../../src/training/stages/vqgan/reference-step.js';
import { relativeError, values } from '../golden/data.js';
import { device, onDevice, placed } from './device.js';

const BOUND = { float64: 1e-9, float32: 1e-4 } as const;

const ddconfig = {
  ch: 32,
  chMult: [1, 2],
  numResBlocks: 1,
  attnResolutions: [16],
  resolution: 32,
  inChannels: 3,
  outCh: 3,
  zChannels: 32,
  doubleZ: false,
};

function agree(t: ExecutionContext, name: string, onCpu: Tensor, there: Tensor, bound: number): void {
  const error = relativeError(values(there), values(onCpu));
  t.true(error <= bound, `${name}: ${error} > ${bound}`);
}

function images(count: number): Tensor {
  torch.manualSeed(3);
  return torch.rand([count, 3, 32, 32], { dtype: 'float64' }).mul(2).sub(1);
}

const models: Record<string, { make: () => nn.Module; run: (model: never, where: torch.Device) => Tensor }> =
  {
    VQModel: {
      make: () => spread(new VQModel({ ddconfig, nEmbed: 64, embedDim: 16 })),
      run: (model: VQModel, where) => model.forward(like(model, images(2), where)).reconstruction,
    },
    'GumbelVQ, decoding': {
      make: () => new GumbelVQ({ ddconfig, nEmbed: 64, embedDim: 32, klWeight: 1e-3 }),
      run: (model: GumbelVQ, where) =>
        model.decodeIndices(
          torch.arange(512, { dtype: 'int64', device: where }).remainder(64).view([2, 16, 16]),
        ),
    },
    discriminator: {
      make: () => new NLayerDiscriminator({ ndf: 16, nLayers: 2 }),
      run: (model: NLayerDiscriminator, where) => model.forward(like(model, images(2), where)),
    },
    GPT: {
      make: () => new GPT({ vocabSize: 64, blockSize: 32, nLayer: 3, nHead: 4, nEmbd: 64 }),
      run: (model: GPT, where) =>
        model.forward(torch.arange(60, { dtype: 'int64', device: where }).remainder(64).view([2, 30])),
    },
    'GPT with an unmasked prefix': {
      make: () => new GPT({ vocabSize: 64, blockSize: 32, nLayer: 2, nHead: 4, nEmbd: 64, nUnmasked: 8 }),
      run: (model: GPT, where) =>
        model.forward(torch.arange(60, { dtype: 'int64', device: where }).remainder(64).view([2, 30])),
    },
  };

/** Moves the codes apart: initial ones lie so close that rounding decides which is nearest. */
function spread(model: VQModel): VQModel {
  torch.noGrad(() => model.quantize.embedding.weight.mul_(64));
  return model;
}

function like(model: nn.Module, x: Tensor, where: torch.Device): Tensor {
  return x.to({ dtype: model.parameters()[0]!.dtype, device: where });
}

for (const [name, { make, run }] of Object.entries(models)) {
  for (const dtype of ['float64', 'float32'] as const) {
    onDevice(`${name}: output and gradients agree in ${dtype}`, (t) => {
      const outcome = (where: torch.Device) => {
        const model = placed(make, where).to(dtype);
        const output = run(model as never, where);
        output.square().mean().backward();
        return { output, model };
      };
      const [cpu, there] = [outcome('cpu'), outcome(device)];
      t.is(there.output.device, torch.zeros([1], { device }).device);
      agree(t, 'output', cpu.output, there.output, BOUND[dtype]);
      const expected = new Map(cpu.model.namedParameters());
      for (const [key, parameter] of there.model.namedParameters()) {
        const gradient = expected.get(key)!.grad;
        t.is(parameter.grad === null, gradient === null, key);
        // A bias that a norm or a softmax cancels has a gradient of rounding errors.
        if (gradient === null || Number(gradient.abs().max().item()) < 1e-6) continue;
        agree(t, key, gradient, parameter.grad!, 10 * BOUND[dtype]);
      }
    });
  }
}

for (const [name, step] of Object.entries({ 'one-pass': onePassStep, reference: referenceStep })) {
  onDevice(`four ${name} steps of VQGAN agree`, (t) => {
    const outcome = (where: torch.Device) => {
      const loss = new VQLPIPSWithDiscriminator({ discStart: 1, discNdf: 16, discNumLayers: 2 });
      const model = placed(
        () => new VQModel({ ddconfig, lossconfig: loss, nEmbed: 64, embedDim: 16 }),
        where,
      );
      model.double().train();
      loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict()); // random, but counted as loaded
      const settings: optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9] };
      const optimizers = {
        generator: new optim.Adam(model.generatorParameters(), settings),
        discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
      };
      const logs = Array.from({ length: 4 }, (_, globalStep) =>
        torch.scope(() => {
          const log = step(model, optimizers, images(2).to(where), { globalStep });
          return Object.entries(log).map(
            ([key, value]) => [key, typeof value === 'number' ? value : Number(value.item())] as const,
          );
        }),
      );
      return { logs, model };
    };
    const [cpu, there] = [withoutDraws(() => outcome('cpu')), withoutDraws(() => outcome(device))];
    for (const [i, log] of cpu.logs.entries()) {
      for (const [j, [key, value]] of log.entries()) {
        const error = relativeError([there.logs[i]![j]![1]], [value]);
        t.true(error <= 1e-6, `step ${i}, ${key}: ${error}`);
      }
    }
    const expected = cpu.model.stateDict();
    for (const [key, tensor] of there.model.stateDict()) agree(t, key, expected.get(key)!, tensor, 1e-5);
  });
}

/** LPIPS and discriminator are made inside: one seed for both arms. */
function withoutDraws<T>(make: () => T): T {
  torch.manualSeed(0);
  return make();
}

for (const [name, make] of Object.entries({
  SGD: (parameters: Tensor[]) => new optim.SGD(parameters, { lr: 0.01, momentum: 0.9 }),
  Adam: (parameters: Tensor[]) => new optim.Adam(parameters, { lr: 0.01 }),
  AdamW: (parameters: Tensor[]) => new optim.AdamW(parameters, { lr: 0.01, fused: true }),
  RMSprop: (parameters: Tensor[]) => new optim.RMSprop(parameters, { lr: 0.01 }),
  Adagrad: (parameters: Tensor[]) => new optim.Adagrad(parameters, { lr: 0.01 }),
})) {
  onDevice(`twenty steps of ${name} agree`, (t) => {
    const outcome = (where: torch.Device) => {
      const model = placed(
        () => new nn.Sequential(new nn.Linear(6, 12), new nn.Tanh(), new nn.Linear(12, 2)),
        where,
      );
      model.double();
      const optimizer = make([...model.parameters()]);
      const x = torch.linspace(-1, 1, 60, { dtype: 'float64', device: where }).view([10, 6]);
      for (let i = 0; i < 20; i++) {
        optimizer.zeroGrad();
        torch.scope(() => model.forward(x).square().sum().backward());
        optimizer.step();
      }
      return model;
    };
    const expected = outcome('cpu').stateDict();
    for (const [key, tensor] of outcome(device).stateDict()) agree(t, key, expected.get(key)!, tensor, 1e-10);
  });
}

onDevice('filters keep the same tokens, greedy sampling picks the same', (t) => {
  torch.manualSeed(2);
  const logits = torch.randn([16, 300], { dtype: 'float64' });
  for (const options of [{ topK: 7 }, { topP: 0.8 }, { temperature: 0.7, topK: 50, topP: 0.9 }]) {
    const kept = (where: torch.Device) => filterLogits(logits.to(where), options).gt(-Infinity).tolist();
    t.deepEqual(kept(device), kept('cpu'), JSON.stringify(options));
  }
  const greedy = (where: torch.Device) => {
    const gpt = placed(
      () => new GPT({ vocabSize: 64, blockSize: 32, nLayer: 2, nHead: 2, nEmbd: 32 }),
      where,
    );
    const start = torch.arange(4, { dtype: 'int64', device: where }).view([4, 1]);
    return generate(gpt.double(), start, 24, { greedy: true }).tolist();
  };
  t.deepEqual(greedy(device), greedy('cpu'));
});
