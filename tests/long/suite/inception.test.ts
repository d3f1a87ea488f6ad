import { join } from 'node:path';
import test from 'ava';
import { featuresOf, weightsHash } from '../../../src/metrics/extract.js';
import { InceptionV3, loadInception } from '../../../src/metrics/inception/inception.js';
import * as torch from '../../../src/torch/index.js';
import { savePytorch, saveSafetensors } from '../../../src/torch/io/index.js';
import { temporaryFolder } from '../../training/tiny.js';

test('the Inception of FID from a file, which may lack the counters of batches', async (t) => {
  const folder = temporaryFolder(t);
  const [whole, without] = [join(folder, 'whole.pth'), join(folder, 'without.safetensors')];
  const model = torch.keep(new InceptionV3().eval());
  await savePytorch(whole, model.stateDict());
  const kept = [...model.stateDict()].filter(([key]) => !key.endsWith('num_batches_tracked'));
  await saveSafetensors(without, new Map(kept));
  const images = torch.rand([2, 3, 64, 64]).mul(2).sub(1);
  const features = featuresOf(model, images);
  t.deepEqual(features.shape, [2, 2048]);
  for (const path of [whole, without]) {
    const loaded = await loadInception(path);
    t.false(loaded.training);
    t.is(weightsHash(loaded), weightsHash(model));
    t.true(torch.equal(featuresOf(loaded, images), features));
  }
});
