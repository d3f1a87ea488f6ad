import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { InceptionV3, loadInception } from '../../src/metrics/inception/inception.js';
import * as torch from '../../src/torch/index.js';
import { saveSafetensors } from '../../src/torch/io/index.js';
import * as nn from '../../src/torch/nn/index.js';
import { relativeError, values } from '../golden/data.js';
import { temporaryFolder } from '../training/tiny.js';

/** Recorded by tests/fixtures/make/inception.py from torchvision's Inception with the pooling of FID's. */
const recorded = JSON.parse(
  gunzipSync(
    readFileSync(fileURLToPath(new URL('../fixtures/metrics/inception.json.gz', import.meta.url))),
  ).toString(),
) as {
  keys: [string, number[]][];
  features: number[][];
  featureSum: number;
  probabilities: number[][];
  resized: number[][][];
};

/** Draws weights and images exactly as the script does. */
function drawn(model: InceptionV3): { images: torch.Tensor; small: torch.Tensor } {
  const generator = new torch.Generator().manualSeed(15);
  return torch.noGrad(() =>
    torch.scope(() => {
      for (const [key, value] of model.stateDict()) {
        if (key.endsWith('num_batches_tracked')) continue;
        torch.scope(() => value.copy_(scaled(key, torch.randn(value.shape, { generator }))));
      }
      const images = torch.rand([2, 3, 75, 75], { generator });
      return { images, small: torch.rand([1, 3, 20, 16], { generator }) };
    }),
  );
}

function scaled(key: string, noise: torch.Tensor): torch.Tensor {
  if (key.endsWith('conv.weight')) {
    return noise.mul(Math.sqrt((2 * noise.shape[0]!) / noise.numel()));
  }
  if (key.endsWith('bn.weight')) return noise.mul(0.1).add(1);
  if (key.endsWith('running_var')) return noise.abs().add(0.5);
  return noise.mul(key === 'fc.weight' ? 0.02 : 0.1);
}

const model = nn.skipInit(() => new InceptionV3({ resize: false })).eval();
const { images, small } = torch.keep(drawn(model));
const signed = (x: torch.Tensor) => x.mul(2).sub(1);
/** Values at every `step`-th place of the given dimensions. */
const every = (x: torch.Tensor, step: number, dims: readonly number[]) =>
  values(
    dims.reduce(
      (rest, dim) => rest.indexSelect(dim, torch.arange(0, x.shape[dim]!, step, { dtype: 'int64' })),
      x,
    ),
  );

test('keys and shapes are the published ones', (t) => {
  t.deepEqual(
    [...model.stateDict()].map(([key, { shape }]) => [key, [...shape]]),
    recorded.keys,
  );
});

test('features and probabilities as recorded', (t) => {
  const features = torch.noGrad(() => model.forward(signed(images))); // [2, 2048]
  const sum = features.double().sum().item();
  t.true(relativeError([sum], [recorded.featureSum]) < 1e-4, `${sum}, recorded ${recorded.featureSum}`);
  t.true(relativeError(every(features, 32, [1]), recorded.features.flat()) < 1e-4);
  t.true(relativeError(every(model.probabilities(features), 32, [1]), recorded.probabilities.flat()) < 1e-4);
});

test('images are resized as in pytorch-fid, and grey ones repeated', (t) => {
  const resizing = nn.skipInit(() => new InceptionV3());
  const resized = resizing.prepared(signed(small));
  t.deepEqual(resized.shape, [1, 3, 299, 299]);
  t.true(relativeError(every(resized, 23, [2, 3]), recorded.resized.flat(2)) < 1e-6);
  t.deepEqual(resizing.prepared(small.narrow(1, 0, 1)).shape, [1, 3, 299, 299]);
  t.throws(() => model.prepared(small), { message: /sides of at least 75; got \[1, 3, 20, 16\]/ });
  t.notDeepEqual(resizing.protocol, model.protocol);
});

test('weights of another network are refused', async (t) => {
  const path = join(temporaryFolder(t), 'other.safetensors');
  await saveSafetensors(path, { 'fc.weight': torch.zeros([1000, 2048]) });
  await t.throwsAsync(loadInception(path), {
    message: /fc\.weight: shape \[1000, 2048\], expected \[1008, 2048\]/,
  });
});
