import { join } from 'node:path';
import test from 'ava';
import { extractFeatures, weightsHash } from '../../src/metrics/extract.js';
import { loadFeatures, saveFeatures } from '../../src/metrics/feature-file.js';
import * as torch from '../../src/torch/index.js';
import { saveNpy, saveSafetensors } from '../../src/torch/io/index.js';
import * as nn from '../../src/torch/nn/index.js';
import { temporaryFolder } from '../training/tiny.js';

const matrix = torch.keep(torch.arange(6).reshape([3, 2]).float());

test('features are written and read with their protocol', async (t) => {
  const path = join(temporaryFolder(t), 'features.safetensors');
  const protocol = { network: 'mine', images: 3 };
  await saveFeatures(path, matrix, protocol);
  const read = await loadFeatures(path);
  t.deepEqual(read.features.tolist(), matrix.tolist());
  t.deepEqual(read.protocol, protocol);
  await t.throwsAsync(saveFeatures(path, torch.zeros([2, 3, 1])), {
    message: /a matrix \[N, D\].*\[2, 3, 1\]/,
  });
});

test('features of other programs: an array, or the one matrix of a file', async (t) => {
  const folder = temporaryFolder(t);
  const path = (name: string) => join(folder, name);
  await saveNpy(path('f.npy'), matrix);
  t.deepEqual((await loadFeatures(path('f.npy'))).features.tolist(), matrix.tolist());
  t.is((await loadFeatures(path('f.npy'))).protocol, null);
  await saveSafetensors(path('one.safetensors'), { pool3: matrix, names: torch.zeros([3]) });
  t.deepEqual((await loadFeatures(path('one.safetensors'))).features.tolist(), matrix.tolist());
  await saveSafetensors(path('two.safetensors'), { pool3: matrix, logits: matrix });
  await t.throwsAsync(loadFeatures(path('two.safetensors')), {
    message: /2 matrices and none is called features.*it has pool3, logits/,
  });
  t.deepEqual((await loadFeatures(path('two.safetensors'), { key: 'logits' })).features.shape, [3, 2]);
  await t.throwsAsync(loadFeatures(path('two.safetensors'), { key: 'pool' }), {
    message: /has no tensor pool/,
  });
});

test('any module gives features, in evaluation mode, batch after batch', async (t) => {
  const network = new nn.Sequential(new nn.Conv2d(3, 4, 2), new nn.Dropout(0.5));
  const batches = [torch.randn([2, 3, 4, 4]), torch.randn([1, 3, 6, 6])];
  const features = await extractFeatures(network, batches);
  t.true(network.training);
  t.deepEqual([features.shape, features.requiresGrad], [[3, 4], false]);
  const last = torch.noGrad(() => new nn.Sequential(network.get(0)).forward(batches[1]!).mean([2, 3]));
  t.true(torch.allclose(features.narrow(0, 2, 1), last));
  const halves = await extractFeatures((images) => images.flatten(1).narrow(1, 0, 5), batches);
  t.deepEqual(halves.shape, [3, 5]);
  await t.throwsAsync(
    extractFeatures((images) => images.flatten(), batches),
    {
      message: /features \[B, D\] or maps \[B, D, h, w\] of 2 images, got \[96\]/,
    },
  );
  await t.throwsAsync(extractFeatures(network, []), { message: /no batches/ });
});

test('the hash of a network is that of its weights', (t) => {
  const network = new nn.Sequential(new nn.Conv2d(3, 4, 2), new nn.BatchNorm2d(4));
  const hash = weightsHash(network);
  t.regex(hash, /^[0-9a-f]{64}$/);
  network.forward(torch.randn([2, 3, 4, 4]));
  t.not(weightsHash(network), hash); // running statistics
  const copy = new nn.Sequential(new nn.Conv2d(3, 4, 2), new nn.BatchNorm2d(4));
  copy.loadStateDict(network.stateDict());
  (copy.get(1) as nn.BatchNorm2d).numBatchesTracked!.zero_();
  t.is(weightsHash(copy), weightsHash(network)); // but not the counter
  t.is(weightsHash(copy.double()), weightsHash(network));
});
