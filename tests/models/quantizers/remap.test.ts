/** A configuration may name the codes in use by a file of NumPy, as the reference's do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { codesOfConfig } from '../../../src/models/autoencoder/stride.js';
import { withUsedCodes } from '../../../src/models/quantizers/remap.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import type { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { saveNpy } from '../../../src/torch/io/index.js';
import * as torch from '../../../src/torch/index.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { images, vqganConfig } from '../../training/tiny.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-remap-'));
const file = join(folder, 'used.npy');
test.before(() => saveNpy(file, torch.tensor([1, 4, 7], { dtype: 'int32' })));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const configWith = (params: Record<string, unknown>) => {
  const { model } = vqganConfig();
  const { lossconfig: _, ...own } = model.params;
  return { ...model, params: { ...own, ...params } };
};

test('the codes of a file are those in use', (t) => {
  const model = modelFromConfig<VQModel>(configWith({ remap: file, unknown_index: 'extra' }));
  t.deepEqual(model.quantize.used!.tolist(), [1, 4, 7]);
  t.is(model.nCodes, 4);
});

const counts: [string, Record<string, unknown>, number][] = [
  ['all codes', {}, 16],
  ['a list', { remap: [3, 5] }, 2],
  ['a file', { remap: file }, 3],
  ['a file and an extra token', { remap: file, unknown_index: 'extra' }, 4],
];
for (const [what, params, count] of counts) {
  test(`a configuration says how many codes its model has: ${what}`, (t) => {
    const config = configWith(params);
    t.is(codesOfConfig(config.params).nCodes, count);
    t.is(modelFromConfig<VQModel>(config, { init: false }).nCodes, count);
  });
}

test('a run keeps the codes, not the name of their file', async (t) => {
  const config = { ...vqganConfig(), model: { ...vqganConfig().model } };
  Object.assign(config.model, { params: { ...config.model.params, remap: file } });
  const plan = await VqganTrainer.plan(config, { run: join(folder, 'run'), images: images() });
  t.deepEqual(plan.config.model.params?.['remap'], [1, 4, 7]);
  t.deepEqual(withUsedCodes({ a: { remap: file }, remap: null }), { a: { remap: [1, 4, 7] }, remap: null });
});

test('a file that cannot be the codes in use is refused by name', async (t) => {
  const floats = join(folder, 'floats.npy');
  await saveNpy(floats, torch.ones([2]));
  const wrong: [string, RegExp][] = [
    [join(folder, 'none.npy'), /VQModel: remap: there is no file .*none\.npy/],
    [floats, /floats\.npy holds float32, not the integers of codes/],
    ['used.txt', /params\.remap must be a list of integer code indices, or the name of a \.npy file/],
  ];
  for (const [remap, message] of wrong) t.throws(() => modelFromConfig(configWith({ remap })), { message });
});
