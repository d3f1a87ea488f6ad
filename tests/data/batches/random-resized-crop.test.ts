import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Loader } from '../../../src/data/batches/loader.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { openImages } from '../../../src/data/open-images.js';
import { packImages } from '../../../src/data/packed/pack-images.js';
import { randomResizedBox } from '../../../src/data/batches/random-resized-crop.js';
import { SeededRandom } from '../../../src/data/seeded-random.js';
import * as torch from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import { folderFor, gradient, gradientImage } from '../pictures/pictures.js';

interface Case {
  image: [width: number, height: number];
  scale: [number, number];
  ratio: [number, number];
  draws: number[];
  box: object;
}

// Written by tests/fixtures/make/resized_crops.py.
const cases = JSON.parse(
  readFileSync(new URL('../../fixtures/resized-crops.json', import.meta.url), 'utf8'),
) as Case[];

test("boxes are those of torchvision's RandomResizedCrop for the same draws, fallbacks included", (t) => {
  t.is(cases.length, 28);
  for (const { image, scale, ratio, draws, box } of cases) {
    let next = 0;
    t.deepEqual(
      randomResizedBox(...image, { scale, ratio }, () => draws[next++]!),
      box,
    );
  }
});

/** One picture of 60 × 40 pixels whose colours tell where they are. */
const source = (maps = {}) =>
  new ImageSource(
    new MemoryStore(
      [{ name: 'a', hash: 'a', width: 60, height: 40, pixels: gradient(60, 40, 9), ...maps }],
      [],
      'maps' in maps ? { map: {} } : {},
    ),
    16,
  );

/** The box of the picture in an epoch, from the seed, the epoch and its index, as the loader draws it. */
function boxOf(seed: number, epoch: number) {
  const random = new SeededRandom(new SeededRandom(seed, -1 - epoch).integer(2 ** 32), 0);
  for (let i = 0; i < 2; i++) random.next();
  const flip = random.chance(0.5);
  const draws = new SeededRandom(random.integer(2 ** 32));
  const how = { scale: [0.2, 0.9], ratio: [3 / 4, 4 / 3] } as const;
  return { flip, box: randomResizedBox(60, 40, how, () => draws.next()) };
}

test('a loader scales the box of (seed, epoch, image) to the size, mirrored or not, and resumes exactly', async (t) => {
  const options = { batchSize: 1, seed: 5, crop: 'resized', scale: [0.2, 0.9] } as const;
  const loader = new Loader(source(), options);
  const whole = torch
    .tensor(Uint8Array.from(gradient(60, 40, 9)))
    .view([1, 40, 60, 3])
    .permute([0, 3, 1, 2])
    .to('float32');
  const seen: Uint8Array[] = [];
  let mirrored = 0;
  for (let epoch = 0; epoch < 6; epoch++) {
    const { images } = await loader.next();
    const { flip, box } = boxOf(5, epoch);
    const part = whole.narrow(2, box.top, box.height).narrow(3, box.left, box.width);
    const scaled = F.interpolate(part, { size: 16, mode: 'bilinear', antialias: true });
    const expected = flip ? scaled.flip([3]) : scaled;
    const error = images.add(1).mul(127.5).sub(expected).abs().max().item();
    t.true(error < 4, `epoch ${epoch}: ${error} of 255 levels`);
    if (flip) mirrored++;
    seen.push(new Uint8Array(images.toTypedArray().buffer));
  }
  t.true(mirrored > 0 && mirrored < 6);
  t.is(new Set(seen.map(String)).size, 6, 'another crop in each epoch');
  const resumed = new Loader(source(), { ...options, position: { epoch: 4, position: 0 } });
  t.deepEqual(new Uint8Array((await resumed.next()).images.toTypedArray().buffer), seen[4]);
});

test('maps, positions and images of a resized crop are of the same part', async (t) => {
  const pixels = gradient(60, 40, 9);
  const map = Uint8Array.from({ length: 2400 }, (_, i) => pixels[i * 3]!); // Red, which grows to the right.
  const one = source({ maps: { map } });
  const box = { left: 30, top: 10, width: 20, height: 15 };
  for (const flip of [false, true]) {
    const views = [{ x: 0, y: 0, flip, part: () => box }];
    const { image, fields } = await one.readExamples([0], ['map', 'coord'], { views });
    const red = image.narrow(1, 0, 1);
    t.true(red.sub(fields['map']!).abs().max().item() < 10 / 127.5);
    const positions = fields['coord']!.toTypedArray() as Float32Array;
    const [first, last] = [positions[0], positions[255]];
    const left = flip ? 60 - 20 - 30 : 30;
    t.is(first, Math.fround((10 * 60 + left) / 2400));
    t.is(last, Math.fround((24 * 60 + left + 19) / 2400));
  }
});

test('files are kept in the detail that small crops need; held-out images are whole squares of them', async (t) => {
  const folder = await folderFor(t);
  for (const blue of [1, 200])
    await gradientImage(120, 80, blue)
      .png()
      .toFile(join(folder, `${blue}.png`));
  const packedFolder = join(await folderFor(t), 'packed');
  await packImages({ path: folder, size: 40 }, packedFolder);
  const config = { size: 16, heldOut: 0, crop: 'resized', cropScale: [0.25, 1] as const } as const;
  const { train, close } = await openImages({ path: folder, ...config });
  const { width, height } = (await train.picture(0))!;
  t.deepEqual([width, height], [48, 32], '16 / √0.25 for the shorter side');
  const centre = await train.readBytes([0]);
  t.true(Math.abs(centre[0]! - 255 / 6) < 8, 'the left edge of the square of 32 in 48');
  t.true(Math.abs(centre[15 * 3]! - (255 * 5) / 6) < 8);
  await close();
  const packed = await openImages({ path: packedFolder, ...config });
  t.is(
    (await packed.train.picture(0))!.height,
    40,
    'packed images larger than the crops are taken as they are',
  );
  await packed.close();
});
