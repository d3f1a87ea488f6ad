import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { gradientImage } from '../../data/pictures/pictures.js';
import { eventsOf, temporaryFolder, transformerConfig, vqganConfig } from '../../training/tiny.js';
import { runOnTokens } from '../../cli/run-on-tokens.js';
import { tesseraHere } from '../../cli/tessera.js';

const teardown: (() => unknown)[] = [];
const folder = temporaryFolder({ teardown: (fn) => void teardown.push(fn) });
test.after.always(() => teardown.forEach((fn) => fn()));
const path = (...names: string[]) => join(folder, ...names);

test.before(async () => {
  for (const name of ['photos/ash', 'photos/elm', 'others', 'copies'])
    mkdirSync(path(name), { recursive: true });
  const random = (seed: number) => {
    const pixels = Buffer.from(
      Array.from({ length: 20 * 20 * 3 }, (_, i) => (i * i * (seed + 3) + seed * 97) % 256),
    );
    return sharp(pixels, { raw: { width: 20, height: 20, channels: 3 } });
  };
  for (let i = 0; i < 12; i++)
    await random(i)
      .png()
      .toFile(path('photos', i % 2 ? 'ash' : 'elm', `${i}.png`));
  for (let i = 20; i < 30; i++)
    await random(i)
      .png()
      .toFile(path('others', `${i}.png`));
  await random(5).flop().png().toFile(path('copies', 'mirrored.png'));
  await random(8).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toFile(path('copies', 'saved.jpg'));
  await gradientImage(20, 20, 90).png().toFile(path('copies', 'own.png'));
  const data = { ...vqganConfig().data, path: path('photos'), heldOut: 4 };
  await eventsOf(await VqganTrainer.create({ ...vqganConfig({ steps: 1 }), data }, { run: path('vqgan') }));
  const { model, ...rest } = transformerConfig(path('vqgan'), { steps: 1 });
  await eventsOf(await TransformerTrainer.create({ ...rest, model, data }, { run: path('plain') }));
  const { unconditional: _, ...params } = model.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator', params: {} };
  const classes = { ...model, params: { ...params, cond_stage_config, cond_stage_key: 'label' } };
  await eventsOf(
    await TransformerTrainer.create({ ...rest, model: classes, data }, { run: path('classes') }),
  );
});

interface Result {
  values: Record<string, number>;
  protocol: Record<string, unknown>;
}
interface Shown {
  sample: string;
  training: string[];
  distances: number[];
}
async function copies(what: string, ...args: string[]) {
  const picture = path('pictures', 'nearest.png');
  const { code, stdout, stderr } = await tesseraHere(['eval', what, '--copies', picture, '--json', ...args]);
  if (code !== 0) throw new Error(stderr);
  const { exif, width, height } = await sharp(picture).metadata();
  const text = exif!.toString('latin1');
  const { nearest } = JSON.parse(text.slice(text.indexOf('{"nearest"'), text.lastIndexOf('}') + 1)) as {
    nearest: Shown[];
  };
  return { ...(JSON.parse(stdout) as Result), nearest, width, height };
}

test.serial('copies of training images are found, also mirrored and as another file', async (t) => {
  const args = [
    '--training',
    path('photos'),
    '--held-out',
    path('others'),
    '--size',
    '16',
    '--neighbours',
    '2',
  ];
  const { values, protocol, nearest, width } = await copies(path('copies'), ...args);
  t.deepEqual(nearest.map(({ sample, training }) => [sample, training[0]]).slice(0, 2), [
    [path('copies', 'mirrored.png'), path('photos', 'ash', '5.png')],
    [path('copies', 'saved.jpg'), path('photos', 'elm', '8.png')],
  ]);
  t.is(nearest[0]!.training.length, 2);
  t.true(nearest[0]!.distances[0]! < 1e-6 && nearest[1]!.distances[0]! < values['near']!);
  t.true(values['near']! <= values['heldOutToTraining']!);
  t.is(width, 7 * 100 - 4);
  t.true(values['copied']! >= 2 / 3);
  const {
    network,
    distance,
    'training.images': ofTraining,
    'heldOut.images': ofHeldOut,
    ...others
  } = protocol;
  t.deepEqual(
    [network, distance],
    ['none: pixels in [−1, 1], averaged to at most 32 × 32', 'root mean square'],
  );
  t.regex(`${String(ofTraining)} ${String(ofHeldOut)}`, /^sha256 [\da-f]{64} sha256 [\da-f]{64}$/);
  t.deepEqual(others, {
    measured: 'nearest training images',
    mirrored: true,
    size: 16,
    crop: 'centre square',
    count: 3,
    'training.count': 12,
    'heldOut.count': 10,
  });
  const alone = await copies(path('copies'), ...args.filter((_, i) => i !== 2 && i !== 3));
  t.deepEqual(Object.keys(alone.values), ['toTraining']);
  t.is(alone.width, 3 * 100 - 4);
});

test.serial(
  'images that a run draws are compared with those it was trained on, and those it held out',
  async (t) => {
    const first = await copies(path('plain'), '--samples', '5', '--batch', '2');
    t.like(first.protocol, {
      count: 5,
      'samples.seed': 1,
      'samples.condition': 'none',
      'training.count': 8,
      'heldOut.count': 4,
    });
    t.deepEqual(Object.keys(first.values), ['toTraining', 'heldOutToTraining', 'near', 'copied']);
    t.is(first.nearest.length, 5);
    t.deepEqual((await copies(path('plain'), '--samples', '5', '--batch', '2')).values, first.values);
    const other = await copies(path('plain'), '--samples', '5', '--batch', '2', '--seed', '2');
    t.not(other.values['toTraining'], first.values['toTraining']);
    const conditional = await copies(path('classes'), '--samples', '3');
    t.like(conditional.protocol, { count: 3, 'samples.condition': 'those of the held-out images' });
  },
);

const nearest = () => ['--copies', path('x.png')];
const refusals: [what: string, args: () => string[], message: RegExp][] = [
  [
    'flags of --copies without it',
    () => [path('copies'), '--training', path('photos')],
    /--training is for the image .*--copies/,
  ],
  ['two folders for one image', () => [path('copies'), path('others'), ...nearest()], /name one/],
  ['an image of another kind', () => [path('copies'), '--copies', 'x.jpg'], /x\.jpg: the image is a PNG/],
  [
    'no training images',
    () => [path('copies'), ...nearest()],
    /is not a run; name the training images.*--training/,
  ],
  [
    'a folder of training images without a size',
    () => [path('copies'), ...nearest(), '--training', path('photos')],
    /say with --size/,
  ],
  [
    'held-out images of a run',
    () => [path('plain'), ...nearest(), '--held-out', path('others')],
    /images that it held out/,
  ],
  [
    'another measurement',
    () => [path('copies'), ...nearest(), '--save-features', 'x'],
    /--save-features does not go with --copies/,
  ],
  [
    'a size that a run does not draw',
    () => [path('plain'), ...nearest(), '--size', '8'],
    /draws images of 16 pixels.*--size 16/,
  ],
  [
    'a run on tokens',
    () => [path('copies'), ...nearest(), '--training', runOnTokens(folder, path('plain'))],
    /trained on the tokens in .*, which have no pixels; name the training images.*--training/,
  ],
  [
    'results instead of images',
    () => {
      writeFileSync(path('results.json'), '{}');
      return [path('results.json'), ...nearest()];
    },
    /results\.json has results, not images/,
  ],
];
for (const [what, args, message] of refusals) {
  test.serial(`refused: ${what}`, async (t) => {
    const { code, stderr } = await tesseraHere(['eval', ...args()]);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
  });
}
