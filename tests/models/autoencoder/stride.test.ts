import test from 'ava';
import { codesOfConfig, strideOf } from '../../../src/models/autoencoder/stride.js';

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
