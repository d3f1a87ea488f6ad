import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../../src/runs/checkpoint.js';
import { resolveConfig } from '../../../src/runs/config.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { Decoder } from '../../../src/models/autoencoder/decoder.js';
import { Encoder } from '../../../src/models/autoencoder/encoder.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { checkpointBlocks } from '../../../src/training/engine/activation-checkpointing.js';
import { buildTransformer } from '../../../src/training/stages/transformer/build.js';
import { buildVqgan } from '../../../src/training/stages/vqgan/build.js';
import { trainFirstStage, transformerTrainer, vqganTrainer } from '../engine-runs.js';
import { eventsOf, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from '../tiny.js';

const backbone = {
  ch: 32,
  chMult: [1, 2],
  numResBlocks: 1,
  attnResolutions: [8],
  dropout: 0.2,
  resolution: 16,
  inChannels: 3,
  outCh: 3,
  zChannels: 8,
  doubleZ: false,
};
const pdrop = { embdPdrop: 0.1, attnPdrop: 0.2, residPdrop: 0.3 };

interface Case {
  make(): nn.Module;
  input(): Tensor;
  blocks: number;
}

const images = () => torch.rand([1, 3, 16, 16], { requiresGrad: true });
const cases: Record<string, Case> = {
  // Per level a residual block (the decoder: two), attention at the coarser, and a change of size; three in the middle.
  encoder: { make: () => new Encoder(backbone), input: images, blocks: 2 + 1 + 1 + 3 },
  decoder: {
    make: () => new Decoder(backbone),
    input: () => torch.randn([1, 8, 8, 8], { requiresGrad: true }),
    blocks: 4 + 2 + 1 + 3,
  },
  transformer: {
    make: () => new GPT({ vocabSize: 20, blockSize: 32, nLayer: 3, nHead: 2, nEmbd: 16, ...pdrop }),
    input: () => torch.randint(0, 20, [2, 32], { dtype: 'int64' }),
    blocks: 3,
  },
};

for (const [name, { make, input, blocks }] of Object.entries(cases)) {
  test(`recomputed blocks give the same bits, dropout included, and hold less: ${name}`, (t) => {
    torch.scope(() => {
      const run = (recompute: boolean) => {
        torch.manualSeed(5);
        const network = make().train();
        for (const parameter of network.parameters()) if (parameter.ndim === 1) nn.init.normal_(parameter);
        if (recompute) t.is(checkpointBlocks(network), blocks);
        const x = input();
        const before = torch.memory().bytes['cpu']!;
        const output = network.forward(x) as Tensor;
        const held = torch.memory().bytes['cpu']! - before;
        output.square().mean().backward();
        const gradients = [x, ...network.parameters()].flatMap(({ grad }) => grad ?? []);
        return { held, results: [output, torch.rand([1]), ...gradients] };
      };
      const [plain, saved] = [run(false), run(true)];
      t.is(saved.results.length, plain.results.length);
      t.true(saved.results.every((tensor, i) => tensor.equal(plain.results[i]!)));
      t.log(`${saved.held} bytes for backward instead of ${plain.held}`);
      t.true(saved.held < 0.55 * plain.held);
    });
  });
}

test('runs of both stages are the same with recomputed blocks', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  await trainFirstStage(vqgan);
  const ofVqgan = { steps: 1, precision: 'bfloat16', batchSize: 1, accumulate: 2 };
  for (const [stage, start] of [
    ['first', (run: string, on: boolean) => vqganTrainer(run, { ...ofVqgan, activationCheckpointing: on })],
    [
      'second',
      (run: string, on: boolean) => transformerTrainer(run, vqgan, { steps: 2, activationCheckpointing: on }),
    ],
  ] as const) {
    const [plain, saved] = [join(folder, `${stage} plain`), join(folder, `${stage} saved`)];
    const expected = lossesOf(await eventsOf(await start(plain, false)));
    t.deepEqual(lossesOf(await eventsOf(await start(saved, true))), expected);
    const files = async (run: string) => (await newestCheckpoint(run)).state['files'];
    t.deepEqual(await files(saved), await files(plain));
  }
  await t.throwsAsync(vqganTrainer(join(folder, 'graph'), { graph: true, activationCheckpointing: true }), {
    message: /training\.graph cannot record a step with training\.activationCheckpointing=true/,
  });
});

test('only a first stage that asks for it computes blocks again', (t) => {
  const counts = [false, true].map((activationCheckpointing) =>
    torch.scope(() => {
      const config = resolveConfig('vqgan', vqganConfig({ activationCheckpointing }));
      const { model, step } = buildVqgan(config, 'float32', 'cpu', true);
      let calls = 0;
      const [block] = model.decoder.mid.children();
      block!.children()[0]!.registerForwardHook(() => void calls++);
      step(torch.rand([1, 3, 16, 16]), 0);
      return calls;
    }),
  );
  t.deepEqual(counts, [1, 2]);
});

test('only a second stage that asks for it computes blocks again', (t) => {
  const counts = [false, true].map((activationCheckpointing) =>
    torch.scope(() => {
      const { model, ...rest } = transformerConfig('none', { activationCheckpointing });
      const first_stage_config = vqganConfig().model;
      const config = { ...rest, model: { ...model, params: { ...model.params, first_stage_config } } };
      const { net, step } = buildTransformer(resolveConfig('transformer', config), 'float32', 'cpu', true);
      let calls = 0;
      const [block] = (net.transformer as GPT).blocks;
      block!.ln1.registerForwardHook(() => void calls++);
      step({ z: torch.zeros([1, 4], { dtype: 'int64' }), c: torch.zeros([1, 1], { dtype: 'int64' }) });
      return calls;
    }),
  );
  t.deepEqual(counts, [1, 2]);
});
