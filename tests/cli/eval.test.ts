import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { saveFeatures } from '../../src/metrics/feature-file.js';
import { frechetDistance } from '../../src/metrics/frechet.js';
import { weightsHash } from '../../src/metrics/extract.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import { saveNpy, saveSafetensors } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { images, temporaryFolder, vqganConfig } from '../training/tiny.js';
import { gradientImage } from '../data/pictures/pictures.js';
import { tesseraHere } from './tessera.js';

const teardown: (() => unknown)[] = [];
const folder = temporaryFolder({ teardown: (fn) => void teardown.push(fn) });
test.after.always(() => teardown.forEach((fn) => fn()));
const path = (...names: string[]) => join(folder, ...names);

test.before(async () => {
  for (const [name, seed] of [
    ['a', 1],
    ['b', 2],
  ] as const) {
    const config = vqganConfig({ seed });
    await (await VqganTrainer.create(config, { run: path(name), images: images() })).close();
  }
  for (const set of ['photos', 'more']) {
    mkdirSync(path(set));
    for (let i = 0; i < (set === 'more' ? 7 : 6); i++) {
      await gradientImage(20, 24, 40 * i)
        .png()
        .toFile(path(set, `${i}.png`));
    }
  }
});

interface Result {
  what: string;
  values: Record<string, number>;
  protocol: Record<string, unknown>;
}
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);

test.serial('two runs side by side, on the same images', async (t) => {
  const out = path('results', 'both.json');
  const both = await tesseraHere(['eval', path('a'), path('b'), '--images', path('photos'), '--out', out]);
  t.is(both.code, 0, both.stderr);
  t.regex(both.stdout, /PSNR of reconstructions +-?\d+\.\d\d dB +-?\d+\.\d\d dB\n/);
  t.regex(both.stdout, /SSIM of reconstructions +-?0\.\d{4} +-?0\.\d{4}\n/);
  t.regex(both.stdout, /measured by\n {2}measured +reconstructions\n {2}count +6\n {2}size +16\n/);
  t.false(both.stdout.includes('rFID'));
  const { evaluations } = JSON.parse(readFileSync(out, 'utf8')) as { evaluations: Result[] };
  t.deepEqual(
    evaluations.map(({ what }) => what),
    [path('a'), path('b')],
  );
  t.not(evaluations[0]!.values['psnr'], evaluations[1]!.values['psnr']);
  t.like(evaluations[0]!.protocol, { 'ssim.border': 'valid', 'psnr.range': 2, crop: 'centre square' });
  const again = await tesseraHere(['eval', out]);
  t.is(again.stdout, both.stdout);
  const json = await tesseraHere(['eval', path('b'), '--images', path('photos'), '--json']);
  t.deepEqual(lines(json.stdout), [evaluations[1]!]);
});

test.serial('runs measured on other images are not compared', async (t) => {
  const out = path('a.json');
  t.is((await tesseraHere(['eval', path('a'), '--images', path('photos'), '--out', out, '--quiet'])).code, 0);
  const { code, stderr } = await tesseraHere(['eval', out, path('b'), '--images', path('more')]);
  t.is(code, 1);
  t.regex(stderr, /a and .*b cannot be compared: count is 6 for the first, and 7 for the second/);
  const sized = await tesseraHere(['eval', out, path('b'), '--images', path('photos'), '--size', '18']);
  t.regex(sized.stderr, /size is 16 for the first, and 18 for the second/);
});

test.serial('without --images, a run is measured on the images that it held out', async (t) => {
  const config = vqganConfig();
  const data = { ...config.data, path: path('more'), heldOut: 3 };
  await (await VqganTrainer.create({ ...config, data }, { run: path('c') })).close();
  const { code, stdout, stderr } = await tesseraHere(['eval', path('c'), '--json']);
  t.is(code, 0, stderr);
  t.like(lines(stdout)[0]!.protocol, { count: 3, size: 16 });
});

test.serial('features of any network from files', async (t) => {
  const generator = new torch.Generator().manualSeed(4);
  const [real, fake] = [torch.randn([40, 5], { generator }), torch.randn([30, 5], { generator })];
  await saveNpy(path('real.npy'), real);
  await saveNpy(path('fake.npy'), fake);
  const args = ['eval', path('fake.npy'), '--reference', path('real.npy')];
  const { code, stdout, stderr } = await tesseraHere([...args, '--json']);
  t.is(code, 0, stderr);
  const [result] = lines(stdout);
  t.is(result!.values['fid'], frechetDistance(real, fake));
  t.like(result!.protocol, { count: 30, 'reference.count': 40, 'precision.k': 5 });
  t.regex((await tesseraHere(args)).stdout, /^FID +\d+\.\d{3}\nKID +-?0\.\d{6}\n/m);
  await saveFeatures(path('mine.safetensors'), real, { network: 'mine', count: 40, images: 'x' });
  const unlike = await tesseraHere([...args.slice(0, 3), path('mine.safetensors')]);
  t.is(unlike.code, 1);
  t.regex(unlike.stderr, /network is not said by the file for the first, and mine for the second/);
});

test.serial('LPIPS where its weights are given, also in several files, with their hash', async (t) => {
  const network = new LPIPS();
  const [vgg, weightings] = ['vgg', 'lin'].map((name) => path(`${name}.safetensors`));
  const tensors = [...network.stateDict()];
  const ofVgg = tensors.filter(([key]) => key.startsWith('net.'));
  // As torchvision names them.
  const named = ofVgg.map(([key, tensor]) => [key.replace(/^net\.slice\d\./, 'features.'), tensor] as const);
  await saveSafetensors(vgg!, new Map(named));
  await saveSafetensors(weightings!, new Map(tensors.filter(([key]) => key.startsWith('lin'))));
  const args = ['eval', path('a'), '--images', path('photos'), '--json'];
  const measured = async (...files: string[]) => {
    const { code, stdout, stderr } = await tesseraHere([
      ...args,
      ...files.flatMap((file) => ['--lpips', file]),
    ]);
    t.is(code, 0, stderr);
    return lines(stdout)[0]!;
  };
  const result = await measured(vgg!, weightings!);
  const { 'lpips.weights': weights, ...protocol } = result.protocol;
  t.is(weights, `sha256 ${weightsHash(network)}`);
  const { lpips, ...others } = result.values;
  t.true(Number.isFinite(lpips) && lpips !== 0, String(lpips));
  const without = await measured();
  t.deepEqual(without.values, others);
  t.deepEqual(
    Object.keys(protocol).filter((field) => !(field in without.protocol)),
    ['lpips.network', 'lpips.clamped', 'lpips.average'],
  );
  const lacking = await tesseraHere([...args, '--lpips', vgg!]);
  t.is(lacking.code, 2);
  t.regex(lacking.stderr, /vgg\.safetensors lacks 5 tensors of LPIPS, such as lin0.*the weightings/);
});

const refusals: [what: string, args: () => string[], message: RegExp][] = [
  ['a folder without a reference', () => [path('real.npy')], /compare it with: --reference/],
  [
    'a folder without a network',
    () => [path('photos'), '--reference', path('real.npy')],
    /FID's Inception with --features/,
  ],
  ['a reference for a run', () => [path('a'), '--reference', path('photos')], /--reference is for folders/],
  ['images for no run', () => [path('real.npy'), '--images', path('photos')], /is not a run; --images/],
  ['LPIPS of no run', () => [path('real.npy'), '--lpips', path('x')], /--lpips compares reconstructions/],
  ['LPIPS from no file', () => [path('a'), '--lpips', path('x')], /--lpips: there is no file .*"installed"/],
  ['a size between codes', () => [path('a'), '--images', path('photos'), '--size', '17'], /a multiple of 2/],
  ['a file without results', () => [path('a', 'environment.json')], /has no results/],
];
for (const [what, args, message] of refusals) {
  test.serial(`refused: ${what}`, async (t) => {
    if (args()[0] === path('real.npy')) await saveNpy(path('real.npy'), torch.zeros([2, 2]));
    const { code, stderr } = await tesseraHere(['eval', ...args()]);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
  });
}
