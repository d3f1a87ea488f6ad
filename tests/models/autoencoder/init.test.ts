import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type * as nn from '../../../src/torch/nn/index.js';
import { NLayerDiscriminator } from '../../../src/models/discriminators/n-layer.js';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';

interface Expected {
  keys: string[];
  sha256: string;
  next: number;
}

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/vqgan-init.json', import.meta.url), 'utf8'),
) as {
  seed: number;
  models: Record<string, Expected>;
};

const models: Record<string, () => nn.Module> = {
  'VQModel f16': () => new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 }),
  NLayerDiscriminator: () => new NLayerDiscriminator(),
};

for (const [name, make] of Object.entries(models)) {
  test(`${name} has PyTorch’s initial weights for one seed, and takes as much from the generator`, (t) => {
    torch.manualSeed(fixture.seed);
    const state = make().stateDict();
    const sha = createHash('sha256');
    for (const tensor of state.values())
      sha.update(tensor.detach().contiguous().toTypedArray() as Float32Array);
    const next = torch.rand([1], { dtype: 'float64' }).item();
    t.deepEqual({ keys: [...state.keys()], sha256: sha.digest('hex'), next }, fixture.models[name]);
  });
}
