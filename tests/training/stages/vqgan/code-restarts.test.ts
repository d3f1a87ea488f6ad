import test from 'ava';
import { EMAVQ, VQModel } from '../../../../src/models/autoencoder/vqgan.js';
import * as torch from '../../../../src/torch/index.js';
import { countCodes, restartUnusedCodes } from '../../../../src/training/stages/vqgan/code-restarts.js';

const ddconfig = {
  ch: 32,
  chMult: [1, 1],
  numResBlocks: 1,
  attnResolutions: [],
  resolution: 16,
  inChannels: 3,
  outCh: 3,
  zChannels: 8,
  doubleZ: false,
};

test('codes that no image uses move onto latents, the others stay', (t) => {
  torch.manualSeed(1);
  const model = new VQModel({ ddconfig, nEmbed: 32, embedDim: 8 });
  const images = torch.randn([4, 3, 16, 16]);
  const before = model.quantize.embedding.weight.detach().clone();
  const counts = countCodes(model, images).toTypedArray() as BigInt64Array;
  t.is(counts.length, 32);
  t.is(Number(counts.reduce((a, b) => a + b)), 4 * 8 * 8);

  const used = restartUnusedCodes(model, images);
  t.is(used, counts.filter((n) => n > 0n).length);
  t.true(used < 32, 'a new codebook leaves codes unused, or this test shows nothing');
  const after = model.quantize.embedding.weight.detach();
  const latents = model.encodeToPrequant(images).detach().permute([0, 2, 3, 1]).reshape([-1, 8]);
  for (let code = 0; code < 32; code++) {
    if (counts[code]! > 0n) t.true(after.at(code).equal(before.at(code)));
    else t.true(latents.sub(after.at(code)).abs().sum([1]).min().item() < 1e-6, `code ${code} is no latent`);
  }
  const usedAfter = (countCodes(model, images).toTypedArray() as BigInt64Array).filter((n) => n > 0n).length;
  t.true(usedAfter > used);
});

test('with fewer latents than unused codes, as many move as there are latents', (t) => {
  torch.manualSeed(2);
  const model = new VQModel({ ddconfig, nEmbed: 512, embedDim: 8 });
  const before = model.quantize.embedding.weight.detach().clone();
  restartUnusedCodes(model, torch.randn([1, 3, 4, 4]));
  const moved = model.quantize.embedding.weight
    .detach()
    .sub(before)
    .abs()
    .sum([1])
    .gt(torch.tensor(0))
    .sum()
    .item();
  t.is(Number(moved), 4);
});

for (const [name, Model] of [
  ['trained by gradients', VQModel],
  ['following moving averages', EMAVQ],
] as const) {
  test(`restarted codes stay in use while training goes on: a codebook ${name}`, (t) => {
    torch.manualSeed(4);
    const model = new Model({ ddconfig, nEmbed: 32, embedDim: 8 }).train();
    const images = torch.randn([4, 3, 16, 16]);
    const inUse = () =>
      (countCodes(model, images).toTypedArray() as BigInt64Array).filter((n) => n > 0n).length;
    for (let step = 0; step < 5; step++) torch.noGrad(() => torch.scope(() => void model.encode(images)));
    const before = inUse();
    t.true(before < 20, `${before} of 32 in use, so this test shows nothing`);
    t.is(restartUnusedCodes(model, images), before);
    const after = inUse();
    t.true(after > before + 5, `${before}, then ${after}`);
    for (let step = 0; step < 5; step++) torch.noGrad(() => torch.scope(() => void model.encode(images)));
    t.true(inUse() > before + 5, `${before}, then ${after}, then ${inUse()}`);
  });

  test(`counting and restarting learn nothing, and leave codes in use: a codebook ${name}`, (t) => {
    torch.manualSeed(5);
    const model = new Model({ ddconfig, nEmbed: 32, embedDim: 8 }).train();
    const images = torch.randn([2, 3, 16, 16]);
    const counts = countCodes(model, images).tolist() as number[];
    const rows = () => [...model.quantize.stateDict().values()].map((tensor) => tensor.detach().clone());
    const before = rows();
    countCodes(model, images);
    for (const [i, tensor] of rows().entries()) t.true(tensor.equal(before[i]!));
    restartUnusedCodes(model, images);
    for (const [i, tensor] of rows().entries()) {
      for (const [code, count] of counts.entries()) {
        if (count > 0) t.true(tensor.at(code).equal(before[i]!.at(code)), `code ${code}`);
      }
    }
  });

  test(`in a remapped codebook unused codes among the used ones move: a codebook ${name}`, (t) => {
    torch.manualSeed(6);
    const remap = [3, 9, 20, 21, 30];
    const model = new Model({ ddconfig, nEmbed: 32, embedDim: 8, remap }).train();
    const images = torch.randn([2, 3, 16, 16]);
    const counts = countCodes(model, images).tolist() as number[];
    t.is(counts.length, 32);
    const { weight } = model.quantize.embedding;
    const before = weight.detach().clone();
    t.is(restartUnusedCodes(model, images), remap.filter((code) => counts[code]! > 0).length);
    const moved = counts.map((_, code) => code).filter((code) => !weight.at(code).equal(before.at(code)));
    t.deepEqual(
      moved,
      remap.filter((code) => counts[code] === 0),
    );
    t.true(moved.length > 0);
  });
}
