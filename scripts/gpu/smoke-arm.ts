// Our arm of `gpu-check smoke`: checks by name, each against the CPU or against the reference's recorded values.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { GPT } from '../../src/models/priors/gpt.js';
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { TokenSampler } from '../../src/sampling/sampler.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as F from '../../src/torch/nn/functional.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { bounds, failures, goldenTensors, worst } from '../../tests/golden/data.js';
import type { Check } from '../../tests/golden/data.js';
import { checkGptForward, checkGptGreedy } from '../../tests/golden/gpt.js';
import { checkForwards, drawLpipsWeights, joined, makeModel } from '../../tests/golden/vqgan.js';

export interface Checked {
  seconds: number;
  said: string;
}

const { values } = parseArgs({ options: { device: { type: 'string' }, tiny: { type: 'boolean' } } });
const device = values.device as torch.Device;

/** Operators of a family, as functions of the place they run at. Numbers are drawn on the CPU. */
const families: Record<string, (at: (...shape: number[]) => Tensor) => Tensor[]> = {
  'arithmetic and reductions': (at) => {
    const [a, b] = [at(33, 65), at(33, 65)];
    return [a.add(b).mul(a), a.sum(1), a.exp().log1p(), a.amax(0), a.cumsum(1), a.std(0)];
  },
  'matrix products': (at) => {
    const [a, b] = [at(4, 48, 64), at(4, 64, 32)];
    return [a.matmul(b), F.linear(a, at(16, 64), at(16)), torch.einsum('bij,bjk->bik', [a, b])];
  },
  convolutions: (at) => {
    const x = at(2, 8, 16, 16);
    return [
      F.conv2d(x, at(12, 8, 3, 3), { bias: at(12), padding: 1 }),
      F.conv2d(x, at(12, 8, 4, 4), { stride: 2 }),
      F.convTranspose2d(x, at(8, 6, 4, 4), { stride: 2 }),
    ];
  },
  norms: (at) => {
    const x = at(2, 32, 8, 8);
    return [
      torch.groupNorm(x, 8, at(32), at(32)),
      F.layerNorm(x, [8, 8]),
      torch.batchNorm(x, at(32), at(32), null, null, true, 0.1, 1e-5, false),
    ];
  },
  activations: (at) => {
    const x = at(4, 50);
    return [x.silu(), F.gelu(x), x.softmax(1), x.logSoftmax(1), F.leakyRelu(x, 0.2), x.sigmoid()];
  },
  attention: (at) => {
    const [q, k, v] = [at(2, 4, 24, 16), at(2, 4, 24, 16), at(2, 4, 24, 16)];
    return [F.scaledDotProductAttention(q, k, v, { isCausal: true })];
  },
  'indices and choices': (at) => {
    const x = at(40, 30);
    const rows = x.narrow(1, 0, 1).argsort(0).flatten();
    return [
      x.indexSelect(0, rows),
      x.topk(5, 1)[0],
      x.sort(1)[0],
      x.gather(1, x.argsort(1)),
      x.maskedFill(x.gt(0), 2),
      torch.where(x.gt(0), x, x.neg()),
      torch.cdist(x, x.flip([0]).add(1)),
      x.argmin(1).double(),
      F.embedding(rows, x),
    ];
  },
  'shapes and images': (at) => {
    const x = at(2, 3, 8, 8);
    return [
      F.interpolate(x, { scaleFactor: 2, mode: 'nearest' }),
      F.interpolate(x, { size: [5, 5], mode: 'bilinear' }),
      F.pad(x, [0, 1, 0, 1]),
      torch.cat([x, x], 1).transpose(1, 2).contiguous(),
      F.avgPool2d(x, 2),
      x.unfold(2, 2, 2),
    ];
  },
  'losses and gradients': (at) => {
    const [x, weight] = [at(6, 10), at(10, 10).requiresGrad_()];
    const target = x.argmax(1);
    const loss = F.crossEntropy(x.matmul(weight), target).add(F.mseLoss(x.matmul(weight), x));
    return [loss, ...torch.grad([loss], [weight])];
  },
};

/** The largest relative error of the family there against here, in float64 and in float32. */
function againstCpu(family: (at: (...shape: number[]) => Tensor) => Tensor[]): string {
  const errors = (['float64', 'float32'] as const).map((dtype) => {
    const run = (place: torch.Device) => {
      torch.manualSeed(5);
      return family((...shape) => torch.randn(shape, { dtype: 'float64' }).to(dtype).to(place));
    };
    const [here, there] = [run('cpu'), run(device)];
    const bound = dtype === 'float64' ? 1e-9 : 1e-3;
    const found = here.map((right, i) => {
      const scale = Math.max(1, Number(right.double().abs().max().item()));
      return Number(there[i]!.cpu().double().sub(right.double()).abs().max().item()) / scale;
    });
    const largest = found.reduce((a, b) => (b > a || Number.isNaN(b) ? b : a), 0);
    if (!(largest <= bound)) throw new Error(`${dtype}, result ${found.indexOf(largest)}: off by ${largest}`);
    return largest;
  });
  return errors.map((error) => error.toExponential(1)).join(', ');
}

function hold(checks: readonly Check[]): string {
  const failed = failures(checks).map(({ name, error, bound }) => `${name}: ${error} > ${bound}`);
  if (failed.length > 0) throw new Error(failed.slice(0, 5).join('; '));
  return `${checks.length} values, ${worst(checks).error.toExponential(1)}`;
}

const vqgan = async (dtype: 'float32' | 'float64', file: string) => {
  const made = makeModel(dtype, device);
  made.model.loadStateDict(joined(await goldenTensors('vqgan-weights', device), drawLpipsWeights()));
  return hold(checkForwards(made, await goldenTensors(file, device), bounds[dtype]));
};

const ddconfig = { ch: 64, chMult: [1, 2], numResBlocks: 1, attnResolutions: [16], resolution: 32 };
const backbone = { ...ddconfig, inChannels: 3, outCh: 3, zChannels: 64, doubleZ: false };

/** Losses of a few training steps, as they run or replayed. */
function trained(where: torch.Device, graphed: boolean, low: boolean): number[] {
  torch.manualSeed(0);
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 16, discNumLayers: 2 });
  const model = new VQModel({ ddconfig: backbone, lossconfig: loss, nEmbed: 64, embedDim: 16 });
  loss.perceptualLoss.loadStateDict(loss.perceptualLoss.stateDict());
  model.to(where).train();
  if (low) model.to({ memoryFormat: 'channels_last' });
  const settings: optim.AdamOptions = { lr: 1e-4, betas: [0.5, 0.9], fused: true };
  const optimizers = {
    generator: new optim.Adam(model.generatorParameters(), settings),
    discriminator: new optim.Adam(loss.discriminator.parameters(), settings),
  };
  const images = torch.rand([2, 3, 32, 32]).mul(2).sub(1).to(where);
  const step = (batch: Tensor) => onePassStep(model, optimizers, batch, { globalStep: 1 }).totalLoss;
  const graph = graphed ? torch.cuda.graph(step, { device: where }) : null;
  const losses = Array.from({ length: 6 }, () =>
    torch.scope(() => Number((graph ? graph.run(images) : step(images)).item())),
  );
  if (graph?.eagerReason && where !== 'cpu') throw new Error(`not replayed: ${graph.eagerReason}`);
  if (losses.some((value) => !Number.isFinite(value))) throw new Error(`losses ${losses.join(' ')}`);
  return losses;
}

/** Of the first two steps: Adam turns a rounding error of a gradient near zero into a whole step. */
function mustBeNear(found: number[], right: number[], bound: number): string {
  const error = Math.max(...[0, 1].map((i) => Math.abs(found[i]! / right[i]! - 1)));
  if (!(error <= bound)) throw new Error(`${found.join(' ')} for ${right.join(' ')}`);
  return error.toExponential(1);
}

/** Greedy tokens of a small GPT, by steps, by replayed steps, by kernels of our own. */
function sampledAlike(): string {
  torch.manualSeed(0);
  const gpt = new GPT({ vocabSize: 64, blockSize: 32, nLayer: 2, nHead: 4, nEmbd: 128 }).to(device).eval();
  const start = torch.zeros([1, 1], { dtype: 'int64', device });
  const ways = { steps: {}, graph: { record: true }, kernels: { record: true, kernels: true } };
  const tokens = Object.entries(ways).map(
    ([name, { record, kernels }]: [string, { record?: boolean; kernels?: boolean }]) => {
      using sampler = new TokenSampler(gpt, {
        batch: 1,
        greedy: true,
        record: record ? torch.cuda.graphRecorder() : null,
        kernels: kernels ?? false,
      });
      const found = JSON.stringify(sampler.sample(start, 20).tolist());
      const reason = (record && sampler.eagerReason) || sampler.kernelFailure;
      if (reason && device !== 'cpu') throw new Error(`${name}: ${reason}`);
      return found;
    },
  );
  if (new Set(tokens).size > 1) throw new Error(`they differ: ${tokens.join(' ')}`);
  return '';
}

function groupNormKernel(): string {
  const make = (...shape: number[]) => torch.randn(shape).to('bfloat16').to(device);
  const x = make(2, 128, 32, 32).requiresGrad_();
  const [weight, bias] = [make(128).requiresGrad_(), make(128).requiresGrad_()];
  const y = torch.cuda.groupNormSilu(x, 32, weight, bias, 1e-6);
  const right = torch.groupNorm(x.double(), 32, weight.double(), bias.double(), 1e-6).silu();
  const error = Number(y.double().sub(right).abs().max().item());
  const reason = torch.cuda.fusedGroupNormFailure();
  if (device !== 'cpu' && reason) throw new Error(reason);
  if (!(error < 0.1)) throw new Error(`off by ${error}`);
  torch.grad([y.sum()], [x, weight, bias]);
  return error.toExponential(1);
}

const checks: Record<string, () => string | Promise<string>> = {
  ...Object.fromEntries(
    Object.entries(families).map(([name, family]) => [name, () => torch.scope(() => againstCpu(family))]),
  ),
  'random numbers': () =>
    torch.scope(() => {
      const draw = () => torch.manualSeed(3) && torch.randn([100_000], { device });
      const [a, b] = [draw(), draw()];
      const [mean, apart] = [Number(a.mean().item()), Number(a.sub(b).abs().max().item())];
      if (!(Math.abs(mean) < 0.02 && apart === 0))
        throw new Error(`mean ${mean}, the same seed ${apart} apart`);
      return `mean ${mean.toExponential(1)}`;
    }),
  'the reference VQGAN in float64': () => vqgan('float64', 'vqgan-io'),
  'the reference VQGAN in float32': () => vqgan('float32', 'vqgan-io-float32'),
  'the reference GPT': async () => {
    const [weights, io] = [await goldenTensors('gpt-weights', device), await goldenTensors('gpt-io', device)];
    return hold([...checkGptForward(weights, io), ...checkGptGreedy(weights, io)]);
  },
  'training steps': () => mustBeNear(trained(device, false, false), trained('cpu', false, false), 5e-3),
  'training steps, channels last': () =>
    mustBeNear(trained(device, false, true), trained('cpu', false, false), 5e-3),
  'training steps, replayed': () =>
    mustBeNear(trained(device, true, false), trained(device, false, false), 5e-3),
  'group norm and SiLU as one kernel': () => torch.scope(groupNormKernel),
  'sampling by steps, graph and kernels': sampledAlike,
  'bfloat16 under autocast': () =>
    torch.scope(() => {
      const layer = new nn.Linear(64, 64).to(device);
      const y = torch.autocast(device, { dtype: 'bfloat16' }, () =>
        layer.forward(torch.ones([8, 64], { device })),
      );
      if (y.dtype !== 'bfloat16') throw new Error(`it gave ${y.dtype}`);
      return y.dtype;
    }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask } = JSON.parse(line) as { ask: string };
  console.log(JSON.stringify(ask === 'list' ? list() : await outcome(checks[ask]!)));
}

function list(): Record<string, unknown> {
  const gpu = device === 'cpu' ? {} : { gpu: torch.cuda.deviceName(device) };
  return { names: Object.keys(checks), node: process.version, libtorch: torch.version, ...gpu };
}

async function outcome(check: () => string | Promise<string>): Promise<Checked | { error: string }> {
  const start = performance.now();
  try {
    // float32 means float32 here.
    torch.backends.cuda.matmul.allowTf32 = torch.backends.cudnn.allowTf32 = false;
    const said = await check();
    return { seconds: (performance.now() - start) / 1000, said };
  } catch (error) {
    const { name, message } = error as Error;
    return { error: `${name}: ${message.split('\n')[0]}` };
  }
}
