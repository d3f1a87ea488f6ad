/** CUDA graphs against the same work without them: equal results, also of random numbers. */
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { GraphedStep } from '../../src/training/stages/vqgan/graphed-step.js';
import { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { livelyGpt } from '../sampling/lively-gpt.js';
import { device, onDevice, onGpu, placed } from './device.js';

/** Graphs need a GPU and the part that is built for them; without either the work runs as it is, which is tested too. */
function captured(t: ExecutionContext, graph: { eagerReason: string | null }): void {
  if (device.startsWith('cuda')) t.is(graph.eagerReason, null);
  else t.truthy(graph.eagerReason);
}

function largestDifference(a: Tensor, b: Tensor): number {
  return a.double().sub(b.double()).abs().max().item();
}

onDevice('a small network trains by replay as it does without', (t) => {
  const train = (graphed: boolean) => {
    const model = placed(() => new nn.Sequential(new nn.Linear(16, 32), new nn.GELU(), new nn.Linear(32, 1)));
    const optimizer = new optim.Adam(model.parameters(), { lr: 1e-2, fused: true });
    const work = (x: Tensor) => {
      optimizer.zeroGrad();
      const loss = model.forward(x).pow(2).mean();
      loss.backward();
      optimizer.step();
      return loss.detach();
    };
    const graph = torch.cuda.graph(work, { device });
    torch.manualSeed(2);
    const losses: number[] = [];
    for (let i = 0; i < 10; i++) {
      const x = torch.randn([8, 16]).to(device);
      losses.push((graphed ? graph.run(x) : work(x)).item());
    }
    if (graphed) captured(t, graph);
    return { losses, weight: model.parameters()[0]!.detach().clone() };
  };
  const [plain, graphed] = [train(false), train(true)];
  t.deepEqual(graphed.losses, plain.losses);
  t.is(largestDifference(graphed.weight, plain.weight), 0);
});

onDevice('a replayed step follows the learning rate of a capturable optimizer', (t) => {
  const train = (graphed: boolean) => {
    const weight = placed(() => new nn.Linear(16, 8));
    const optimizer = new optim.AdamW(weight.parameters(), { lr: 1e-2, capturable: true });
    const work = (x: Tensor) => {
      optimizer.zeroGrad();
      const loss = weight.forward(x).pow(2).mean();
      loss.backward();
      optimizer.step();
      return loss.detach();
    };
    const graph = torch.cuda.graph(work, { device });
    const x = torch.ones([4, 16]).to(device);
    const losses = Array.from({ length: 10 }, (_, step) => {
      optimizer.paramGroups[0]!.lr = 1e-2 / (1 + step);
      optimizer.refreshLearningRates();
      return (graphed ? graph.run(x) : work(x)).item();
    });
    if (graphed) captured(t, graph);
    return losses;
  };
  t.deepEqual(train(true), train(false));
});

onDevice(
  'random numbers go on as without a graph, from the default generator and from one of its own',
  (t) => {
    const draw = (graphed: boolean) => {
      torch.manualSeed(7);
      const generator = new torch.Generator(device).manualSeed(8);
      const work = (x: Tensor) => [x.add(x.randLike()), x.clone().normal_(0, 1, { generator })];
      const graph = torch.cuda.graph(work, { device, generators: [generator] });
      const x = torch.zeros([64], { device });
      return Array.from({ length: 8 }, () =>
        (graphed ? graph.run(x) : work(x)).map((drawn) => drawn.tolist()),
      );
    };
    t.deepEqual(draw(true), draw(false));
  },
);

onDevice('work that reads from the device runs eagerly, and says why', (t) => {
  const graph = torch.cuda.graph((x: Tensor) => x.mul(x.sum().item()), { device, warmUp: 1 });
  for (let i = 1; i < 5; i++)
    t.deepEqual(graph.run(torch.full([2], i).to(device)).tolist(), [2 * i * i, 2 * i * i]);
  t.truthy(graph.eagerReason);
  // The device goes on, and its random numbers do.
  t.is(torch.ones([3], { device }).sum().item(), 3);
  t.true(torch.rand([3], { device }).lt(1).all().item());
});

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

onDevice('a VQGAN step as graphs before and after the discriminator starts equals the step', (t) => {
  const run = (graphed: boolean) => {
    torch.manualSeed(1);
    const loss = new VQLPIPSWithDiscriminator({
      discStart: 6,
      discNdf: 16,
      discNumLayers: 2,
      perceptualWeight: 0,
    });
    const model = placed(() => new VQModel({ ddconfig, nEmbed: 64, embedDim: 16, lossconfig: loss }));
    const optimizers = {
      generator: new optim.Adam(model.generatorParameters(), { lr: 1e-4, fused: true }),
      discriminator: new optim.Adam(loss.discriminator.parameters(), { lr: 1e-4, fused: true }),
    };
    const step = new GraphedStep(model, optimizers);
    torch.manualSeed(4);
    const losses: number[][] = [];
    for (let globalStep = 0; globalStep < 12; globalStep++) {
      const batch = torch.rand([2, 3, 32, 32]).mul(2).sub(1).to(device);
      const log = graphed
        ? step.run(batch, { globalStep })
        : onePassStep(model, optimizers, batch, { globalStep });
      losses.push([log.totalLoss.item(), log.discLoss.item()]);
    }
    if (graphed) captured(t, step);
    return losses;
  };
  torch.backends.cudnn.deterministic = true;
  const [plain, graphed] = [run(false), run(true)];
  torch.backends.cudnn.deterministic = false;
  for (const [i, losses] of graphed.entries()) {
    for (const [k, value] of losses.entries()) {
      const right = plain[i]![k]!;
      t.true(
        Math.abs(value - right) <= 1e-4 * Math.max(1, Math.abs(right)),
        `step ${i}: ${value}, not ${right}`,
      );
    }
  }
});

onDevice('a GPT samples by replay what it samples without, greedily and by chance', (t) => {
  const gpt = placed(() => new GPT({ vocabSize: 64, blockSize: 48, nLayer: 2, nHead: 2, nEmbd: 32 }));
  const prefix = torch.tensor([[1], [2]], { dtype: 'int64' }).to(device);
  for (const greedy of [true, false]) {
    const sample = (record: boolean) => {
      torch.manualSeed(9);
      using sampler = new TokenSampler(gpt, {
        batch: 2,
        bucket: 16,
        greedy,
        topK: 20,
        ...(!record && { record: null }),
      });
      return [sampler.sample(prefix, 40).tolist(), sampler.sample(prefix, 40).tolist()];
    };
    t.deepEqual(sample(true), sample(false));
  }
});

onDevice('a GPT samples by kernels of our own what it samples by operators', (t) => {
  const gpt = placed(() => livelyGpt({ vocabSize: 64, blockSize: 48, nLayer: 2, nHead: 2, nEmbd: 64 }));
  const prefix = torch.tensor([[3n, 1n]]).to(device);
  using sampler = new TokenSampler(gpt, { batch: 1, greedy: true, kernels: true });
  t.is(sampler.kernelFailure, device.startsWith('cuda') ? null : 'the model is on cpu');
  const expected = generate(gpt, prefix, 45, { greedy: true }).tolist();
  for (let i = 0; i < 2; i++) t.deepEqual(sampler.sample(prefix, 45).tolist(), expected);
  t.is(sampler.eagerReason, null);
});

for (const dtype of ['bfloat16', 'float16'] as const) {
  onGpu(`the kernels of a step agree with the operators: ${dtype}`, (t) => {
    const sizes = { vocabSize: 64, blockSize: 300, nLayer: 1, nHead: 24, nEmbd: 1536 };
    const gpt = placed(() => new GPT(sizes)).to(dtype);
    using sampler = new TokenSampler(gpt, { batch: 1, kernels: true, record: null });
    t.is(sampler.kernelFailure, null);
    t.is(sampler.sample(torch.zeros([1, 1], { dtype: 'int64', device }), 299).shape[1], 300);
  });
}

onGpu('a graph gives its memory back', (t) => {
  const before = torch.cuda.memoryAllocated(device);
  for (let round = 0; round < 5; round++) {
    using graph = torch.cuda.graph((x: Tensor) => x.mul(2).add(1), { device, warmUp: 1 });
    for (let i = 0; i < 3; i++) torch.scope(() => void graph.run(torch.ones([1 << 20], { device })));
  }
  // Less, where what earlier tests left behind was freed meanwhile.
  t.true(torch.cuda.memoryAllocated(device) <= before);
});
