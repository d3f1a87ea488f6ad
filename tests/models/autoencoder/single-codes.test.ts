/** Second stages and tokenizers take first stages with one code at each position, and say so of others. */
import { join } from 'node:path';
import test from 'ava';
import { VQGAN } from '../../../src/models/autoencoder/any-quantizer.js';
import { Several } from '../../../src/models/conditions/several.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { FSQ } from '../../../src/models/quantizers/fsq.js';
import { MultiScaleVQ } from '../../../src/models/quantizers/multi-scale.js';
import type { Quantizer } from '../../../src/models/quantizers/quantizer.js';
import { ResidualVQ } from '../../../src/models/quantizers/residual-vq.js';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { ImageTokenizer } from '../../../src/tokenizer/image-tokenizer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { images, temporaryFolder, vqganConfig } from '../../training/tiny.js';

const ddconfig = { ...backbones.f16, ch: 32, chMult: [1, 1], zChannels: 4, resolution: 8 };
const stage = (quantizer: Quantizer) => new VQGAN({ ddconfig, quantizer });
const single = () => stage(new FSQ({ levels: [4, 4] }));
const prior = () => new GPT({ vocabSize: 64, blockSize: 64, nLayer: 1, nHead: 1, nEmbd: 8 });

const several: [string, () => Quantizer, RegExp][] = [
  ['ResidualVQ', () => new ResidualVQ({ dim: 4, codebookSize: 8, numQuantizers: 2 }), /indices of 4 axes/],
  ['FSQ', () => new FSQ({ levels: [4, 4], numCodebooks: 2 }), /several codes at a position/],
  [
    'MultiScaleVQ',
    () => new MultiScaleVQ({ vocabSize: 8, embedDim: 4, vPatchNums: [1, 4] }),
    /a row of tokens for an image, indices of 2 axes/,
  ],
];

for (const [name, make, found] of several) {
  test(`a second stage refuses ${name}, in its first stage and in its condition`, (t) => {
    const refused = (what: () => unknown, user: string) => {
      const { message } = t.throws(what, { instanceOf: TypeError });
      t.true(message.startsWith(`${user} needs one code at each position`), message);
      t.true(message.includes(`the quantizer ${name} gives`), message);
      t.regex(message, found);
      t.regex(message, /use a first stage with a VectorQuantizer/);
    };
    const many = stage(make());
    const base = { prior: prior(), firstStage: single() };
    refused(
      () => new Net2NetTransformer({ ...base, firstStage: many, condition: '__is_unconditional__' }),
      'Net2NetTransformer',
    );
    refused(() => new Net2NetTransformer({ ...base, condition: many }), 'Net2NetTransformer');
    refused(() => new Several({ conditions: [many], keys: ['depth'] }), 'Several: condition 0');
    t.notThrows(() => new Net2NetTransformer({ ...base, condition: single() }));
  });
}

test.serial('a tokenizer refuses a run whose images have several codes at a position', async (t) => {
  const { model, ...rest } = vqganConfig();
  const { ddconfig: backbone, lossconfig } = model.params;
  const quantizer = {
    target: 'tessera.quantizers.FSQ',
    params: { levels: [4, 4], num_codebooks: 2 },
  };
  const config = {
    ...rest,
    model: { target: 'tessera.VQGAN', params: { ddconfig: backbone, lossconfig, quantizer } },
  };
  const run = join(temporaryFolder(t), 'run');
  await (await VqganTrainer.create(config, { run, images: images() })).close();
  await t.throwsAsync(ImageTokenizer.open(run, { device: 'cpu' }), {
    instanceOf: TypeError,
    message: /^ImageTokenizer needs one code at each position, .* the quantizer FSQ gives several codes/,
  });
});
