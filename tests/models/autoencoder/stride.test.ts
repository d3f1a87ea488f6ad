import test from 'ava';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { codesOfConfig, strideOf } from '../../../src/models/autoencoder/stride.js';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { quantizers, type QuantizerEntry } from '../../../src/models/quantizers/index.js';
import { describeWeights } from '../../../src/models/weights/describe.js';

test('each level after the first doubles the stride', (t) => {
  t.deepEqual([0, 1, 2, 5].map(strideOf), [1, 1, 2, 16]);
});

test('a configuration says what its codes are', (t) => {
  const sizes = (params: Record<string, unknown>) => {
    const { nEmbed, nCodes, codesPerSide } = codesOfConfig(params);
    return [nEmbed, nCodes, codesPerSide(64)];
  };
  t.deepEqual(sizes({ ddconfig: {}, n_embed: 12 }), [12, 12, 8], 'four levels where ch_mult is left out');
  t.deepEqual(sizes({ ddconfig: { ch_mult: [1, 1] }, n_embed: 12, remap: [3, 5] }), [12, 2, 32]);
  const quantizer = { target: 'tessera.quantizers.EMA', params: { n_embed: 9 } };
  t.deepEqual(sizes({ ddconfig: { ch_mult: [1] }, quantizer }), [9, 9, 64]);
});

test('weights say the stride of a model without residual blocks', (t) => {
  const ddconfig = { ...backbones.f16, ch: 32, chMult: [1, 1, 1], numResBlocks: 0, attnResolutions: [] };
  const model = new VQModel({ ddconfig: { ...ddconfig, zChannels: 8 }, nEmbed: 16, embedDim: 4 });
  const shapes = new Map([...model.stateDict()].map(([key, tensor]) => [key, tensor.shape]));
  t.is(model.stride, 4);
  t.regex(describeWeights(shapes)[0]!, /^VQModel f4, 16 codes of width 4/);
  const withoutCodes = new Map([...shapes].filter(([key]) => !key.startsWith('quantize.')));
  t.regex(describeWeights(withoutCodes)[0]!, /^first stage f4, no stored codes, base width 32/);
});

test('a quantizer whose settings do not name the number of codes computes it', (t) => {
  const entry = {
    ...quantizers['Vector']!,
    codesIn: ({ levels }: { levels?: unknown }) => Number(levels) ** 3,
  };
  const table = quantizers as Record<string, QuantizerEntry>;
  t.teardown(() => delete table['Levels']);
  table['Levels'] = entry;
  const quantizer = { target: 'tessera.quantizers.Levels', params: { levels: 5 } };
  const { nEmbed, nCodes } = codesOfConfig({ ddconfig: { ch_mult: [1, 1] }, quantizer });
  t.deepEqual([nEmbed, nCodes], [125, 125]);
});
