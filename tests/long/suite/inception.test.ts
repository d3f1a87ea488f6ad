import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openImages } from '../../../src/data/open-images.js';
import { featuresOf, weightsHash } from '../../../src/metrics/extract.js';
import type { Evaluation } from '../../../src/metrics/evaluation.js';
import { frechetDistance } from '../../../src/metrics/frechet.js';
import { InceptionV3, loadInception } from '../../../src/metrics/inception/inception.js';
import { openRun } from '../../../src/runs/open.js';
import * as torch from '../../../src/torch/index.js';
import { savePytorch, saveSafetensors } from '../../../src/torch/io/index.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { tesseraHere } from '../../cli/tessera.js';
import { gradientImage } from '../../data/pictures/pictures.js';
import { images, temporaryFolder, vqganConfig } from '../../training/tiny.js';

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

test('rFID of a run, and FID and IS of a folder, on the command line', async (t) => {
  const folder = temporaryFolder(t);
  const path = (name: string) => join(folder, name);
  const weights = path('inception.safetensors');
  await saveSafetensors(weights, torch.keep(new InceptionV3()).stateDict());
  await (await VqganTrainer.create(vqganConfig(), { run: path('run'), images: images() })).close();
  for (const [set, blue] of [
    ['real', 0],
    ['fake', 90],
  ] as const) {
    mkdirSync(path(set));
    for (let i = 0; i < 7; i++) {
      await gradientImage(20 + i, 24, blue + 20 * i)
        .png()
        .toFile(path(`${set}/${i}.png`));
    }
  }
  const measured = async (...args: string[]): Promise<Evaluation> => {
    const { code, stdout, stderr } = await tesseraHere(['eval', ...args, '--features', weights, '--json']);
    t.is(code, 0, stderr);
    return JSON.parse(stdout) as Evaluation;
  };
  const run = await measured(path('run'), '--images', path('real'));
  // As published: reconstructions are rounded to bytes, as if they had been saved.
  const { model } = await openRun(path('run'), 'vqgan', 'cpu');
  const { train, close } = await openImages({ path: path('real'), size: 16, heldOut: 0 });
  const originals = await train.read([...Array(7).keys()]);
  await close();
  const { reconstruction } = torch.noGrad(() => model.forward(originals));
  const rounded = reconstruction.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1);
  const network = await loadInception(weights);
  const expected = frechetDistance(featuresOf(network, originals), featuresOf(network, rounded));
  t.true(Math.abs(run.values['rfid']! / expected - 1) < 1e-3, `${run.values['rfid']}, not ${expected}`);
  t.is(run.protocol['weights'], `sha256 ${weightsHash(network)}`);
  t.regex(String(run.protocol['weights']), /^sha256 [0-9a-f]{64}$/);
  const set = await measured(path('fake'), '--reference', path('real'));
  t.true(set.values['fid']! > 0 && set.values['is']! >= 1 && set.values['precision'] !== undefined);
  t.like(set.protocol, { crop: 'none', count: 7, 'reference.count': 7, 'is.splits': 7 });
  // The reference's features from a file are those of its images.
  await measured(path('real'), '--save-features', path('real.safetensors'));
  const again = await measured(path('fake'), '--reference', path('real.safetensors'));
  t.deepEqual(again, set);
  const cropped = await measured(path('fake'), '--reference', path('real'), '--size', '16');
  t.is(cropped.protocol['crop'], 'centre square of 16 pixels');
  t.not(cropped.values['fid'], set.values['fid']);
  const same = await measured(path('real'), '--reference', path('real'));
  t.true(Math.abs(same.values['fid']!) < 1e-9);
  t.is(same.values['nearest'], 0);
});
