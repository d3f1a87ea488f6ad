/** What is never computed in 16 bits, by its values: distances, adaptive weight, softmax, statistics of norms, losses. */
import test, { type ExecutionContext } from 'ava';
import { AttnBlock } from '../../../src/models/autoencoder/blocks.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { resolveConfig } from '../../../src/runs/config.js';
import type { Precision } from '../../../src/runs/setting-kinds.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { MixedPrecision } from '../../../src/training/engine/mixed-precision.js';
import { transformerStep } from '../../../src/training/stages/transformer/step.js';
import { buildVqgan } from '../../../src/training/stages/vqgan/build.js';
import { lossOf } from '../../../src/training/stages/vqgan/loss.js';
import { classNet } from '../../sampling/first-stages.js';
import { vqganConfig } from '../tiny.js';

const halves = [
  ['bfloat16', 'bfloat16', 2 ** -7],
  ['float16', 'float16', 2 ** -10],
  ['autocast-bfloat16', 'bfloat16', 2 ** -7],
  ['autocast-float16', 'float16', 2 ** -10],
] as const;

const kept = (x: Tensor) => torch.keep(x.detach().clone());
const largest = (x: Tensor) => x.abs().max().item();

/** Compares a value with the one that float64 gives, up to the rounding of float32. */
function near(t: ExecutionContext, name: string, actual: number, expected: number): void {
  t.true(Math.abs(actual - expected) <= 1e-6 * Math.abs(expected), `${name} ${actual}, not ${expected}`);
}

/** A network of one module in a precision, as a training step calls it. */
function lowered<M extends nn.Module>(precision: Precision, network: M): M {
  new MixedPrecision(precision, network.train()).lower(network);
  return network;
}

for (const [precision, dtype] of halves) {
  test.serial(
    `codes, their loss, the adaptive weight and the losses are those of float64: ${precision}`,
    (t) => {
      torch.scope(() => {
        torch.manualSeed(1);
        const { model, step } = buildVqgan(resolveConfig('vqgan', vqganConfig()), precision, 'cpu', true);
        const { embedding } = model.quantize as unknown as { embedding: nn.Embedding };
        torch.noGrad(() => embedding.weight.copy_(torch.randn([16, 8]).mul(2e-4).add(1)));
        const codes = kept(embedding.weight).double();
        let [z, indices, reconstruction] = [codes, codes, codes];
        let vq = 0;
        model.quantize.registerForwardHook((_, [given], output) => {
          const quantized = output as { indices: Tensor; loss: Tensor };
          [z, indices, vq] = [kept(given as Tensor), kept(quantized.indices), quantized.loss.item()];
        });
        model.registerForwardHook((_, __, output) => {
          reconstruction = kept((output as { reconstruction: Tensor }).reconstruction);
        });
        const gradients: Tensor[] = [];
        const { adversarialWeight } = lossOf(model);
        const ofStep = adversarialWeight.ofStep.bind(adversarialWeight);
        adversarialWeight.ofStep = (nll, generator) => {
          gradients.push(kept(nll), kept(generator));
          return ofStep(nll, generator);
        };
        const batch = torch.rand([4, 3, 16, 16]).mul(2).sub(1);
        const { losses } = step(batch, 0);

        const points = z.permute([0, 2, 3, 1]).reshape([-1, 8]);
        const nearest = (a: Tensor, b: Tensor) =>
          a
            .square()
            .sum([1], true)
            .add(b.square().sum([1]))
            .sub(a.matmul(b.t()).mul(2))
            .argmin(1);
        t.true(nearest(points.double(), codes).equal(indices.flatten()));
        t.false(nearest(points.to(dtype), codes.to(dtype)).equal(indices.flatten()), 'or this shows nothing');
        const chosen = codes.indexSelect(0, indices.flatten());
        near(t, 'vq', vq, 1.25 * points.double().sub(chosen).square().mean().item());
        near(
          t,
          'rec',
          (losses['rec'] as Tensor).item(),
          batch.double().sub(reconstruction.double()).abs().mean().item(),
        );
        const [nll, generator] = gradients.map((x) => torch.linalgVectorNorm(x.double()).item());
        near(t, 'weight', (losses['weight'] as Tensor).item(), nll! / (generator! + 1e-4));
      });
    },
  );

  test.serial(`the cross-entropy of codes is that of the logits in float64: ${precision}`, (t) => {
    torch.scope(() => {
      torch.manualSeed(2);
      const net = classNet('VQModel');
      lowered(precision, net.transformer);
      let logits = torch.zeros([]);
      net.transformer.registerForwardHook((_, __, output) => void (logits = kept(output as Tensor)));
      const z = torch.arange(24, { dtype: 'int64' }).remainder(5).reshape([4, 6]);
      const c = torch.arange(4, { dtype: 'int64' }).reshape([4, 1]);
      const { loss } = transformerStep(net, new optim.SGD(net.transformer.parameters(), { lr: 0 }), {
        tokens: { z, c },
      });
      t.deepEqual([loss.dtype, logits.shape.slice(0, 2)], ['float32', [4, 6]]);
      near(t, 'loss', loss.item(), F.crossEntropy(logits.double().reshape([24, -1]), z.flatten()).item());
    });
  });
}

/** Attention of one head for queries, keys and values [B, T, D], in their dtype. */
function attention(q: Tensor, k: Tensor, v: Tensor, hidden?: Tensor): Tensor {
  const logits = q.matmul(k.transpose(1, 2)).div(Math.sqrt(q.shape[2]!));
  return (hidden ? logits.maskedFill(hidden, -Infinity) : logits).softmax(-1).matmul(v);
}

/** Positions that a causal mask hides, [T, T]. */
const later = torch.keep(torch.ones([64, 64]).triu(1).ne(0));
const tokens = (x: Tensor) => x.flatten(2).transpose(1, 2); // [B, C, H, W] to [B, H·W, C]
const gpt = (nUnmasked: number) =>
  new GPT({
    vocabSize: 20,
    blockSize: 64,
    nLayer: 1,
    nHead: 1,
    nEmbd: 32,
    embdPdrop: 0,
    attnPdrop: 0,
    residPdrop: 0,
    nUnmasked,
  });
const priors = [0, 3].map((nUnmasked) => ({
  name: nUnmasked ? 'a GPT that sees its condition' : 'a GPT',
  make() {
    const network = gpt(nUnmasked);
    const { query: q, key: k, value: v, proj: out } = [...network.blocks][0]!.attn;
    const hidden = later.clone();
    hidden.narrow(0, 0, nUnmasked).narrow(1, 0, nUnmasked).fill_(false);
    return { network, q, k, v, out, input: torch.randint(0, 20, [2, 64], { dtype: 'int64' }), hidden };
  },
  asTokens: (x: Tensor) => x,
}));
const cases = [
  {
    name: 'a block of a VQGAN',
    make() {
      const network = new AttnBlock(32);
      const { q, k, v, projOut: out } = network;
      return { network, q, k, v, out, input: torch.randn([2, 32, 8, 8]), hidden: undefined };
    },
    asTokens: tokens,
  },
  ...priors,
];

for (const { name, make, asTokens } of cases) {
  for (const [precision, dtype, rounding] of halves) {
    test.serial(
      `attention has the softmax of its queries and keys in float32: ${name}, ${precision}`,
      (t) => {
        torch.scope(() => {
          torch.manualSeed(4);
          const { network, q, k, v, out, input, hidden } = make();
          // Logits near 200 that differ by a few: 16 bits would round these differences away.
          for (const { weight, bias } of [q, k]) {
            nn.init.normal_(weight, 0, 0.06);
            nn.init.constant_(bias!, 6);
          }
          lowered(precision, network);
          const seen: Tensor[] = [];
          for (const layer of [q, k, v])
            layer.registerForwardHook((_, __, output) => void seen.push(kept(output as Tensor)));
          let joined = input;
          out.registerForwardPreHook((_, [given]) => void (joined = kept(given as Tensor)));
          network.forward(input);
          t.deepEqual([...new Set(seen.map((x) => x.dtype))], [dtype]);
          const [queries, keys, values] = seen.map(asTokens) as [Tensor, Tensor, Tensor];
          const expected = attention(queries.double(), keys.double(), values.double(), hidden);
          const error = (actual: Tensor) => largest(actual.double().sub(expected)) / largest(expected);
          t.true(error(asTokens(joined)) < 2 * rounding, `${error(asTokens(joined))}`);
          t.true(error(attention(queries, keys, values, hidden)) > 8 * rounding, 'or this shows nothing');
        });
      },
    );
  }
}

for (const [name, make] of [
  ['group norm', () => new nn.GroupNorm(1, 4)],
  ['layer norm', () => new nn.LayerNorm(4096)],
] as const) {
  for (const [precision, , rounding] of halves) {
    test.serial(`the statistics of a ${name} are not sums in 16 bits: ${precision}`, (t) => {
      torch.scope(() => {
        const norm = make();
        const x = torch.rand([2, 4, 4096]).add(3).to('bfloat16').float(); // 4096 values of 3 end a sum in 16 bits early
        const expected = make().double().forward(x.double());
        const error = largest(lowered(precision, norm).forward(x).double().sub(expected)) / largest(expected);
        t.true(error < rounding, `${error}`);
      });
    });
  }
}
