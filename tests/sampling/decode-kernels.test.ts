/** The kernels of native/kernels/decode.cu, run on the CPU, against the operators. */
import test from 'ava';
import { DecodeKernels, misfit, whyNoDecodeKernels } from '../../src/sampling/engines/decode-kernels.js';
import { KernelForward } from '../../src/sampling/engines/kernels.js';
import { recordedEngine } from '../../src/sampling/engines/recorded.js';
import { drawInOrder } from '../../src/sampling/orders/raster.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { kernelElements, packagedKernels } from '../../src/torch/cuda/kernel.js';
import * as torch from '../../src/torch/index.js';
import { compilesForH200 } from '../torch/kernels/compiled.js';
import { emulated } from '../torch/kernels/emulated.js';
import { livelyGpt } from './lively-gpt.js';

const config = { vocabSize: 21, blockSize: 20, nLayer: 2, nHead: 2, nEmbd: 32 };
const makeGpt = (dtype: torch.DType, sizes = config) => livelyGpt(sizes).to(dtype);

const launchIn = (dtype: 'float32' | 'bfloat16') => emulated('decode', { ELEMENT: kernelElements[dtype]! });

for (const [dtype, nHead, bound] of [
  ['float32', 2, 1e-5],
  ['float32', 8, 1e-5],
  ['bfloat16', 4, 2e-2],
] as const) {
  test.serial(`a block by kernels equals the block by operators: ${dtype}, ${nHead} heads`, (t) => {
    const launch = launchIn(dtype);
    if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
    const gpt = makeGpt(dtype, { ...config, nHead });
    t.is(misfit(gpt), null);
    using cache = gpt.createCache(1, 20);
    const difference = (run: torch.cuda.Launch) =>
      new KernelForward(gpt.decodeModel(), cache, gpt.qkv(), new DecodeKernels(run)).differenceFromForward();
    const found = difference(launch);
    t.true(found < bound, `${found}`);
    t.log(`apart by ${found.toExponential(1)}`);
    if (nHead > 2) return;
    for (const spoilt of ['normedProduct', 'attend', 'productAndSum', 'normedProductGelu']) {
      const wrong: torch.cuda.Launch = (kernel, size, kinds, args) => {
        launch(kernel, size, kinds, args);
        // Its result is the last tensor.
        const tensors = args.filter((arg) => arg instanceof torch.Tensor);
        if (kernel === spoilt) tensors.at(-1)!.mul_(1.1);
      };
      const found = difference(wrong);
      t.true(found > 1e-3, `${spoilt} is wrong by ${found}`);
    }
  });
}

/** The largest difference, as a share of the largest value. */
function apart(found: torch.Tensor, right: torch.Tensor): number {
  return Number(found.double().sub(right).abs().max().div(right.abs().max()).item());
}

for (const [dtype, bound] of [
  ['float32', 1e-5],
  ['bfloat16', 1e-2],
] as const) {
  test.serial(`rows longer than a warp reads at once, and fewer than blocks have warps: ${dtype}`, (t) => {
    const launch = launchIn(dtype);
    if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
    const kernels = new DecodeKernels(launch);
    torch.manualSeed(2);
    const draw = (...shape: number[]) => torch.randn(shape).to(dtype);
    const [inputs, outputs] = [3200, 11];
    const [x, before] = [draw(1, inputs).add(3), draw(1, outputs)];
    const norm = { weight: draw(inputs), bias: draw(inputs), eps: 1e-5 };
    const layer = { weight: draw(outputs, inputs).div(50), bias: draw(outputs) };
    const [weight, bias] = [layer.weight.double(), layer.bias.double()];
    const normed = torch
      .layerNorm(x.double(), [inputs], norm.weight.double(), norm.bias.double(), 1e-5)
      .to(dtype)
      .double();
    const product = torch.linear(normed, weight, bias);
    t.true(apart(kernels.normedProduct(x, norm, layer), product) < bound);
    t.true(apart(kernels.normedProduct(x, norm, { ...layer, bias: null }), product.sub(bias)) < bound);
    t.true(apart(kernels.normedProductGelu(x, norm, layer), torch.gelu(product)) < bound);
    const sum = torch.linear(x.double(), weight, bias).add(before.double());
    t.true(apart(kernels.productAndSum(x, layer, before), sum) < bound);
    const short = { weight: layer.weight.narrow(1, 0, 96).contiguous(), bias: layer.bias };
    const less = torch.linear(x.narrow(1, 0, 96).double(), short.weight.double(), bias).add(before.double());
    t.true(apart(kernels.productAndSum(x.narrow(1, 0, 96).contiguous(), short, before), less) < bound);
  });

  test.serial(`attention to more positions than a block takes at once: ${dtype}`, (t) => {
    const launch = launchIn(dtype);
    if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
    torch.manualSeed(2);
    const [heads, size, capacity] = [2, 64, 300];
    const draw = (...shape: number[]) => torch.randn(shape).to(dtype);
    const memory = draw(2, 1, heads, capacity, size).mul(2);
    const projected = draw(1, 3 * heads * size).mul(2);
    for (const place of [0, 31, 32, 70, 299]) {
      const position = torch.tensor([BigInt(place)]);
      const y = new DecodeKernels(launch).attend(projected, memory, position);
      const [query, key, value] = projected.view([3, 1, heads, 1, size]).unbind(0) as [
        torch.Tensor,
        torch.Tensor,
        torch.Tensor,
      ];
      t.deepEqual(memory.select(3, place).select(0, 0).tolist(), key.squeeze(2).tolist());
      t.deepEqual(memory.select(3, place).select(0, 1).tolist(), value.squeeze(2).tolist());
      const seen = memory.narrow(3, 0, place + 1).double();
      const right = torch.scaledDotProductAttention(query.double(), seen.select(0, 0), seen.select(0, 1));
      t.true(apart(y, right.reshape([1, heads * size])) < bound, `at ${place}`);
    }
  });
}

test.serial('steps by kernels draw the tokens of generate', (t) => {
  const launch = launchIn('float32');
  if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
  const gpt = makeGpt('float32');
  const greedy = { greedy: true };
  const prefix = torch.tensor([[3n, 1n]]);
  const expected = generate(gpt, prefix, 10, greedy);
  t.true(new Set((expected.tolist() as number[][])[0]).size > 5);
  const options = { batch: 1, ...greedy, kernels: true };
  const engine = recordedEngine(
    gpt,
    options,
    (_, cache, qkv) => new KernelForward(gpt.decodeModel(), cache, qkv, new DecodeKernels(launch)),
  );
  t.is(engine.kernelFailure, null);
  t.deepEqual(drawInOrder('test', gpt, engine, { prefix, steps: 10 }).tolist(), expected.tolist());
  engine.dispose();
});

test('what the kernels cannot take is named, and operators run it', (t) => {
  const gpt = makeGpt('float32');
  t.is(whyNoDecodeKernels(gpt, 1), 'the model is on cpu');
  t.is(whyNoDecodeKernels(gpt, 3), 'they support a batch size of 1, not 3');
  t.is(misfit(makeGpt('float32', { ...config, nEmbd: 24 })), 'they do not support heads of width 12');
  const mixed = makeGpt('float32');
  mixed.head.double();
  t.is(misfit(mixed), 'some weights have another dtype, or are not contiguous or not aligned');
  using sampler = new TokenSampler(gpt, { batch: 1, greedy: true, kernels: true });
  t.is(sampler.kernelFailure, 'the model is on cpu');
  const prefix = torch.tensor([[3n, 1n]]);
  t.deepEqual(sampler.sample(prefix, 9).tolist(), generate(gpt, prefix, 9, { greedy: true }).tolist());
  using plain = new TokenSampler(gpt, { batch: 1 });
  t.is(plain.kernelFailure, null);
});

for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
  compilesForH200(`NVRTC compiles the kernels of a step for an H200: ${dtype}`, () => [
    packagedKernels('decode.cu', { ELEMENT: kernelElements[dtype]! }),
  ]);
}
