// Our arm of sample.ts: milliseconds to draw an image's tokens, for each line of input; or a number that tells the weights.
import { createInterface } from 'node:readline';
import { GPT, Net2NetTransformer, sampleWindowed, TokenSampler, torch, VQModel } from 'tessera-torch';
import type { SampleCase } from './sample-cases.js';

const { layers, width, batch, window, tokens } = JSON.parse(process.argv[2]!) as SampleCase & {
  tokens: number;
};
const VOCABULARY = 1024;
const pick = { topK: 100 };

torch.manualSeed(0);
const sizes = { vocabSize: VOCABULARY, blockSize: 512, nLayer: layers, nHead: width / 64, nEmbd: width };
const gpt = new GPT(sizes).eval();

function windows(grid: readonly [number, number]): () => void {
  const backbone = { ch: 32, chMult: [1], numResBlocks: 0, attnResolutions: [], resolution: 16 };
  const ddconfig = { ...backbone, inChannels: 3, outCh: 3, zChannels: 8, doubleZ: false };
  const net = new Net2NetTransformer({
    firstStage: new VQModel({ ddconfig, nEmbed: VOCABULARY, embedDim: 8 }),
    prior: gpt,
    condition: '__is_first_stage__',
  }).eval();
  const condition = torch.zeros([batch, ...grid], { dtype: 'int64' });
  return () =>
    void sampleWindowed(net, condition, { ...pick, window: 16 })
      .flatten()
      .tolist();
}

function whole(): () => void {
  const sampler = new TokenSampler(gpt, { batch, ...pick });
  const prefix = torch.zeros([batch, 1], { dtype: 'int64' });
  return () => void sampler.sample(prefix, tokens).flatten().tolist();
}

const run = window ? windows(window) : whole();

for await (const line of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const check = torch.noGrad(() =>
    torch.scope(() => {
      if (line === 'check')
        return gpt
          .forward(torch.arange(16).view([1, 16]).long())
          .abs()
          .sum()
          .item();
      run();
      return 0;
    }),
  );
  console.log(JSON.stringify(line === 'check' ? check : performance.now() - start));
}
