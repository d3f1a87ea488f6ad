import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { bytesToImages } from '../../src/data/pictures/image-tensor.js';
import { readFitted } from '../../src/tokenizer/fit.js';
import { variations } from '../../src/sampling/variations.js';
import { imageGrid } from '../../src/data/pictures/image-grid.js';
import { openRun } from '../../src/runs/open.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import { mapToTensor } from '../../src/data/fields/example.js';
import { sampleImages } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { SampleFiles } from '../../src/cli/commands/sample/files.js';
import { planImages } from '../../src/cli/commands/sample/pictures.js';
import { drawnSize } from '../../src/cli/commands/sample/size.js';
import { Watcher } from '../../src/cli/commands/sample/watch.js';
import { checkWindow } from '../../src/cli/commands/sample/window.js';
import { UsageError } from '../../src/cli/usage-error.js';
import type { FirstStage } from '../../src/models/autoencoder/vqgan.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { LayoutStage } from '../../src/models/conditions/layout/stage.js';
import { Several } from '../../src/models/conditions/several.js';
import { CoordStage } from '../../src/models/conditions/coordinates.js';
import { SpiralOutPermuter } from '../../src/models/orders/permuter.js';
import { reconstruct } from '../../src/cli/commands/reconstruct/run.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { sampled as sampledInto } from './sampled.js';
import { eventsOf, images, transformerConfig, vqganConfig } from '../training/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-sample-'));
const [vqgan, plain, classes] = ['vqgan', 'plain', 'classes'].map((name) => join(root, name)) as [
  string,
  string,
  string,
];

test.before(async () => {
  const names = Array.from({ length: 40 }, (_, i) => `kind ${i}`); // over 16 codes
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
  const config = transformerConfig(vqgan, { steps: 1, samples: 1 });
  await eventsOf(await TransformerTrainer.create(config, { run: plain, images: images() }));
  const { unconditional: _, ...params } = config.model.params;
  const { vocab_size: __, ...gpt } = params.transformer_config.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator' };
  const transformer_config = { ...params.transformer_config, params: gpt };
  const labelled = { ...config.model, params: { ...params, cond_stage_config, transformer_config } };
  const trainer = { run: classes, images: images(names) };
  const dropping = { ...config, model: labelled, training: { ...config.training, conditionDropout: 0.2 } };
  await eventsOf(await TransformerTrainer.create(dropping, trainer));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const sampled = (name: string, ...args: [run: string, ...flags: string[]]) =>
  sampledInto(join(root, name), ...args);

/** Returns a copy of a run whose weights are missing: what is refused on it is refused before they are read. */
function bare(run: string): string {
  const copy = `${run}-bare`;
  if (!existsSync(copy)) {
    cpSync(run, copy, { recursive: true, filter: (path) => !path.endsWith('model.safetensors') });
  }
  return copy;
}

test.serial(
  'at temperature 0 the likeliest codes are taken, whatever the seed and the spelling',
  async (t) => {
    const pixels = new Set<string>();
    for (const [temperature, seed] of [
      ['0', '1'],
      ['0.0', '2'],
      ['-0', '3'],
    ] as const) {
      const flags = ['--n', '3', '--temperature', temperature, '--seed', seed];
      const drawn = await sampled(`greedy ${temperature}`, plain, ...flags);
      for (const image of drawn.pixels) pixels.add(image);
      t.like(drawn.recipe, { temperature: 0, n: 3 });
    }
    t.is(pixels.size, 1);
  },
);

test.serial('filters of one code leave the likeliest, and a repetition penalty changes them', async (t) => {
  const draw = (name: string, ...flags: string[]) => sampled(name, plain, '--n', '2', ...flags);
  const greedy = await draw('likeliest', '--temperature', '0');
  for (const [name, flag, value] of [
    ['minP', '--min-p', '1'],
    ['topK', '--top-k', '1'],
    ['topP', '--top-p', '0.000001'],
  ] as const) {
    const { pixels, recipe } = await draw(name, flag, value);
    t.deepEqual(pixels, greedy.pixels);
    t.is(recipe[name], Number(value));
  }
  for (const flags of [
    ['--temperature', '0'],
    ['--min-p', '1'],
  ]) {
    const penalized = await draw(`penalty ${flags.join()}`, ...flags, '--repetition-penalty', '50');
    t.like(penalized.recipe, { repetitionPenalty: 50 });
    t.notDeepEqual(penalized.pixels, greedy.pixels);
  }
});

test.serial('at any other temperature images differ, and with the seed', async (t) => {
  const draw = async (name: string, seed: string) =>
    (await sampled(name, plain, '--n', '3', '--seed', seed)).pixels;
  const first = await draw('drawn', '1');
  t.deepEqual(await draw('drawn again', '1'), first);
  t.is(new Set([...first, ...(await draw('drawn otherwise', '2'))]).size, 6);
});

test.serial('classes beyond the number of codes are drawn, greedily too', async (t) => {
  for (const flags of [[], ['--temperature', '0'], ['--top-k', '1'], ['--batch', '2']]) {
    const name = `classes ${flags.join(' ')}`;
    const { pixels, recipe } = await sampled(name, classes, '--n', '3', '--class', '39', ...flags);
    t.is(pixels.length, 3);
    t.like(recipe, { classNumber: 39 });
  }
});

test.serial('classes are guided by a model that was trained without them now and then', async (t) => {
  const draw = (name: string, run: string, ...flags: string[]) =>
    sampled(name, run, '--n', '2', '--class', '39', ...flags);
  const plainly = await draw('unguided', classes);
  t.deepEqual((await draw('guided by 1', classes, '--guidance', '1')).pixels, plainly.pixels);
  const { pixels, recipe } = await draw('guided', classes, '--guidance', '30');
  t.notDeepEqual(pixels, plainly.pixels);
  t.like(recipe, { guidance: 30 });
  const schedules = [[], ['linear'], ['cosine'], ['cosine', '--guidance-power', '3']];
  const growing = await Promise.all(
    schedules.map(async ([schedule, ...more], i) => {
      const given = schedule === undefined ? [] : ['--guidance-schedule', schedule, ...more];
      return (await draw(`schedule ${i}`, classes, '--guidance', '300', ...given)).pixels.join();
    }),
  );
  t.is(new Set(growing).size, 4);
  const how = ['--guidance-schedule', 'cosine', '--guidance-power', '2', '--guidance-interval', '64,65'];
  const outside = await draw('outside', classes, '--guidance', '30', ...how);
  t.deepEqual(outside.pixels, plainly.pixels, 'no code is in the interval');
  t.like(outside.recipe, { guidanceSchedule: 'cosine', guidancePower: 2, guidanceInterval: [64, 65] });
  await t.throwsAsync(sampled('refused', bare(plain), '--guidance', '2'), {
    message:
      /--guidance 2: .* was trained without dropped conditions; train it with --condition-dropout 0\.1/,
  });
});

const refused: [flags: string, message: RegExp, run?: () => string][] = [
  ['--guidance-interval 5,3', /two integers A,B with 0 ≤ A < B/],
  ['--guidance-interval 5', /two integers A,B/],
  ['--guidance-schedule square', /constant, linear, cosine/],
  ['--min-p 2', /It must be a number from 0 to 1/],
  ['--repetition-penalty 0', /It must be a number above 0/],
  ...['-1', 'Infinity', 'warm', ''].map(
    (wrong) => [`--temperature=${wrong}`, /It must be a non-negative number/] as [string, RegExp],
  ),
  ['--class 40', /--class 40: there is no such class/, () => classes],
  ['--class kind', /was trained without classes/],
  ['--class 3,kinder', /--class kinder: there is no such class; the nearest is "kind/, () => classes],
  ['--class 3,', /--class : there is no such class/, () => classes],
  ['--all-classes', /--all-classes: .* was trained without classes/],
  ['--all-classes --class 3', /cannot be used with option/, () => classes],
  ['--n 1', /was trained on 40 classes .*: name one with --class/, () => classes],
  ['--class 3 --condition map.png', /without maps; use --class/, () => classes],
  ['--animate drawing.png', /It must be the name of a .webp or .gif file/],
  ['--stream 0', /It must be a positive integer/],
  ['--seeds 3,x', /It must be non-negative integers with commas/],
  ['--seeds 3 --seed 4', /cannot be used with option/],
  ['--greedy --temperature 0.9', /cannot be used with option/],
  ['--size 27x16', /--size 27x16: both sides must be multiples of 2, .* the nearest size is 28x16$/],
  ['--size 24x8', /--size 24x8 is smaller than the 16 × 16 pixels .* the nearest size is 24x16$/],
  ['--size wide', /It must be a width and a height in pixels, such as 1024x256/],
  ['--size 0x16', /It must be a width and a height/],
  ['--layout layout.json', /--layout layout\.json: .* was trained without layouts/],
  ['--layout a.json --condition b.png', /cannot be used with option/],
];
for (const [flags, message, run = () => plain] of refused) {
  test.serial(`refused: ${flags}`, async (t) => {
    await t.throwsAsync(sampled('refused', bare(run()), ...flags.split(' ')), { message });
  });
}

test.serial('a run without weights is refused after everything else', async (t) => {
  for (const [run, flags] of [
    [plain, '--n 1'],
    [classes, '--class 3 --guidance 2 --size 24x16'],
  ] as const) {
    await t.throwsAsync(sampled('refused', bare(run), ...flags.split(' ')), {
      message: /has no usable checkpoint \(step-0000001: model\.safetensors is missing/,
    });
  }
});

test.serial('larger images need a model that draws through a window', async (t) => {
  const { model: net } = await openRun(plain, 'transformer', 'cpu');
  const area = drawnSize(net, 16, [24, 16]);
  const row = torch.zeros([1, 3, 16, 24]);
  const check = (more: object, sides = area) => {
    const model = Object.create(
      net,
      Object.fromEntries(Object.entries(more).map(([name, value]) => [name, { value }])),
    ) as typeof net;
    const given = model.condStageModel instanceof Several ? [torch.tensor([0n]), row] : row;
    checkWindow(model, sides, [{ row: given, recipe: {}, described: '' }], 'RUN');
  };
  const severalOf = (map: FirstStage | CoordStage) =>
    new Several({ conditions: [new Labelator({ nClasses: 3 }), map], keys: [null, 'map'], firstId: 16 });
  const layout = {
    noObjectClasses: 4,
    noMaxObjects: 3,
    noTokens: 40,
    encodeCrop: false,
    useGroupParameter: false,
  };
  const withLayout = new Several({
    conditions: [new Labelator({ nClasses: 3 }), new LayoutStage(layout)],
    firstId: 16,
  });
  check({});
  check({ pkeep: 0 }, drawnSize(net, 16, undefined));
  const { firstStageModel: condStageModel, config } = net;
  check({ condStageModel });
  check({ condStageModel: severalOf(condStageModel as FirstStage) });
  const half = { condStageModel, config: { ...config, downsampleCondSize: 8 } };
  for (const [more, message] of [
    [{ pkeep: 0 }, /draws all codes at once/],
    [
      { permuter: new SpiralOutPermuter({ H: 8, W: 8 }) },
      /in the order of SpiralOutPermuter, not row by row/,
    ],
    [{ condition: { embed: () => row } }, /the vectors do not say where a window is/],
    [half, /the map has 16 tokens for 96 codes, but windows need one for each; leave --size out/],
    [{ condStageModel: new CoordStage({ nEmbed: 16, downFactor: 4 }) }, /24 tokens for 96 codes/],
    [
      { condStageModel: withLayout, condition: withLayout },
      /a layout among other conditions is that of the whole image/,
    ],
    [{ condStageModel: severalOf(new CoordStage({ nEmbed: 16, downFactor: 4 })) }, /24 tokens for 96 codes/],
  ] as const) {
    t.throws(() => check(more), { instanceOf: UsageError, message });
  }
});

test.serial('images larger than the trained ones are drawn through a window, guided too', async (t) => {
  const wide = async (name: string, run: string, ...flags: string[]) => {
    const drawn = await sampled(name, run, '--n', '2', '--size', '24x16', ...flags);
    t.is(drawn.pixels[0]!.length, 2 * 3 * 24 * 16);
    t.deepEqual(drawn.recipe['size'], [24, 16]);
    return drawn.pixels;
  };
  const first = await wide('wide', plain, '--seed', '5');
  t.is(new Set(first).size, 2);
  t.deepEqual(await wide('wide again', plain, '--seed', '5'), first);
  t.notDeepEqual(await wide('wide penalty', plain, '--seed', '5', '--repetition-penalty', '50'), first);
  const { model: net } = await openRun(plain, 'transformer', 'cpu');
  const generator = new torch.Generator().manualSeed(5);
  const options = { grid: [8, 12], window: 8, topK: 16, generator } as const;
  const direct = sampleImages(net, torch.zeros([2, 1], { dtype: 'int64' }), options);
  t.deepEqual(
    first,
    direct.unbind(0).map((image) => hex(image.unsqueeze(0))),
  );

  const draw = (name: string, ...flags: string[]) => wide(name, classes, '--class', '39', ...flags);
  const unguided = await draw('wide class');
  t.deepEqual(await draw('wide guided by 1', '--guidance', '1'), unguided);
  t.notDeepEqual(await draw('wide guided', '--guidance', '30'), unguided);
});

/** True if images are equal except for the rounding of another batch. */
const alike = (one: string, other: string) =>
  Buffer.from(one, 'hex').every(
    (byte, i) => Math.abs(byte - parseInt(other.slice(2 * i, 2 * i + 2), 16)) <= 1,
  );

/** Returns the recipe in an image's EXIF. */
async function recipeIn(path: string): Promise<Record<string, unknown>> {
  const { exif } = await sharp(path).metadata();
  return JSON.parse(/\{[ -~]*\}/.exec(exif!.toString('latin1'))![0]) as Record<string, unknown>;
}

test.serial('an image with a seed of its own is drawn again by that seed alone', async (t) => {
  const draw = (name: string, ...flags: string[]) => sampled(name, classes, '--class', '5', ...flags);
  const three = await draw('seeds', '--seeds', '7,3,4', '--batch', '2');
  t.is(new Set(three.pixels).size, 3);
  t.deepEqual(three.recipe['seeds'], [7, 3, 4]);
  const own = await recipeIn((three.recipe['pictures'] as string[])[2]!);
  t.like(own, { seed: 4, perImageSeeds: true, class: 'kind 5', picture: 2 });
  const again = await draw('seed again', '--seed', '4', '--n', '1', '--per-image-seeds');
  t.true(alike(again.pixels[0]!, three.pixels[2]!));
  const from = await draw('seeds from', '--seed', '3', '--n', '2', '--per-image-seeds');
  t.true(alike(from.pixels[0]!, three.pixels[1]!) && alike(from.pixels[1]!, three.pixels[2]!));
  const wide = ['--size', '24x16', '--seeds'];
  const [first, second] = (await draw('wide seeds', ...wide, '1,2')).pixels;
  t.false(alike(first!, second!));
  t.true(alike((await draw('wide seed', ...wide, '2')).pixels[0]!, second!));
});

test.serial('several classes are drawn in turn, each with its own images', async (t) => {
  const draw = (name: string, ...flags: string[]) =>
    sampled(name, classes, '--n', '2', '--per-image-seeds', '--batch', '3', ...flags);
  const { pixels, recipe } = await draw('list', '--class', 'kind 3, kind 39');
  t.deepEqual(recipe['classes'], [
    { class: 'kind 3', classNumber: 3 },
    { class: 'kind 39', classNumber: 39 },
  ]);
  const alone = await Promise.all(
    [3, 39].map((number) => draw(`alone ${number}`, '--class', String(number))),
  );
  t.deepEqual(
    alone.flatMap((one) => one.pixels).map((image, i) => alike(image, pixels[i]!)),
    [true, true, true, true],
  );
  t.like(await recipeIn(join(root, 'list', '0002.png')), { class: 'kind 39', seed: 1, picture: 2 });
  const all = await sampled('all', classes, '--all-classes', '--n', '1', '--greedy');
  t.is(all.pixels.length, 40);
  t.is((all.recipe['classes'] as unknown[]).length, 40);
  const likeliest = await sampled('likeliest 3', classes, '--class', '3', '--n', '1', '--temperature', '0');
  t.true(alike(all.pixels[3]!, likeliest.pixels[0]!));
  t.is(all.recipe['temperature'], 0);
});

test.serial('a grid has a row for each class, with its name', async (t) => {
  const flags = ['--n', '3', '--per-image-seeds', '--class', '3,39'];
  const { recipe } = await sampled('rows', classes, ...flags, '--grid');
  const [path] = recipe['pictures'] as string[];
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  t.deepEqual([info.width, info.height], [3 * 130 - 2, 2 * (128 + 18 + 2) - 2]);
  const dark = (left: number, top: number, width: number, height: number) => {
    let count = 0;
    for (let y = top; y < top + height; y++)
      for (let x = left; x < left + width; x++) count += data[3 * (y * info.width + x)]! < 128 ? 1 : 0;
    return count;
  };
  for (const column of [0, 1, 2]) t.true(dark(130 * column, 130, 128, 16) > 20, 'a name');
  t.is(dark(0, 130, 128, 16), dark(130, 130, 128, 16));
  t.not(dark(0, 130, 128, 16), dark(0, 148 + 130, 128, 16));
  const { pixels } = await sampled('rows alone', classes, ...flags);
  const at = (x: number, y: number) => [
    ...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3),
  ];
  const corner = [...Buffer.from(pixels[4]!.slice(0, 6), 'hex')];
  t.true(
    at(130, 148).every((value, i) => Math.abs(value - corner[i]!) <= 1),
    'the second image of the second class',
  );
});

test.serial('a gallery shows all images on one page, with their classes and seeds', async (t) => {
  for (const [name, flags, links] of [
    ['page', [], 4],
    ['page of a grid', ['--grid'], 0],
  ] as const) {
    const list = ['--class', 'kind 3,kind 7', '--seeds', '11,12'];
    await sampled(name, classes, ...list, '--gallery', ...flags);
    const page = readFileSync(join(root, name, 'gallery.html'), 'utf8');
    t.is(page.match(/<img[^>]*src="data:image\/png;base64,/g)?.length, 4);
    t.is(page.match(/<a href="000\d\.png">/g)?.length ?? 0, links);
    for (const text of ['<h2>kind 3</h2>', '<h2>kind 7</h2>', '2: kind 7<br>seed 11', '&quot;topK&quot;: ']) {
      t.true(page.includes(text), text);
    }
    t.notRegex(page, /<(script|link)|https?:/);
  }
  await sampled('page of one', plain, '--n', '1', '--gallery');
  t.regex(readFileSync(join(root, 'page of one', 'gallery.html'), 'utf8'), /<h2>Images<\/h2>/);
});

test.serial('files show the codes so far while they are drawn, and the images at the end', async (t) => {
  const flags = ['--n', '2', '--seed', '4'];
  const expected = await sampled('at once', plain, ...flags);
  t.deepEqual((await sampled('streamed', plain, ...flags, '--stream', '3')).pixels, expected.pixels);
  t.deepEqual(
    (await sampled('streamed grid', plain, ...flags, '--stream', '--grid')).pixels,
    (await sampled('grid', plain, ...flags, '--grid')).pixels,
  );
  t.deepEqual(readdirSync(join(root, 'streamed')).sort(), ['0000.png', '0001.png', 'samples.json']);

  const { model } = await openRun(plain, 'transformer', 'cpu');
  const area = drawnSize(model, 16, undefined);
  const out = join(root, 'watched');
  const files = new SampleFiles({}, { out, recipe: {}, each: 1, conditions: 1 });
  const watcher = new Watcher({ stream: 10 }, { model, area, photo: null, files });
  const tokens = torch.randint(0, 16, [1, 64], { generator: new torch.Generator().manualSeed(1) });
  watcher.begin(planImages([{ row: tokens, recipe: {}, described: '' }], { n: 1, seed: 1 }));
  const path = join(out, '0000.png');
  for (const [from, count] of [
    [0, 8],
    [8, 4],
  ] as const) {
    t.false(existsSync(path), 'not before ten codes');
    watcher.add(
      Array.from({ length: count }, (_, i) => from + i),
      tokens.narrow(1, from, count),
    );
  }
  const codes = torch.cat([tokens.narrow(1, 0, 12), torch.zeros([1, 52], { dtype: 'int64' })], 1);
  const decoded = torch.noGrad(() => model.firstStageModel.decodeIndices(codes.view([1, 8, 8])));
  const known = torch.zeros([16, 16], { dtype: 'bool' });
  torch.noGrad(
    () => void [known.narrow(0, 0, 2), known.narrow(0, 2, 2).narrow(1, 0, 8)].map((part) => part.fill_(1)),
  );
  const shown = (await sharp(path).raw().toBuffer()).toString('hex');
  t.is(shown, hex(torch.where(known, decoded, torch.zeros([1]))));
  watcher.end(decoded);
});

test.serial('an animation ends with the images, and begins with few codes', async (t) => {
  for (const [file, run, flags, frames] of [
    ['drawing.webp', plain, [], 8],
    ['drawing.GIF', plain, ['--size', '24x16'], undefined],
    ['completed.webp', plain, ['--image', await imageFile('start', 16, 16), '--keep', 'top'], 4],
  ] as const) {
    const path = join(root, file);
    const { pixels } = await sampled(
      `for ${file}`,
      run,
      '--n',
      '2',
      '--batch',
      '1',
      '--animate',
      path,
      ...flags,
    );
    const { pages, delay, loop } = await sharp(path, { animated: true }).metadata();
    if (frames === undefined) t.true(pages! > 4);
    else t.is(pages, frames);
    t.deepEqual([loop, delay!.at(-1)], [0, 2000]);
    const page = async (number: number) =>
      sharp(path, { page: number }).removeAlpha().resize({ width: 16, kernel: 'nearest' }).raw().toBuffer();
    const last = await page(pages! - 1);
    const final = Buffer.from(pixels[0]!, 'hex');
    if (frames === undefined) continue;
    const distance = (a: Buffer, from: number, end: number) =>
      a.subarray(from, end).reduce((sum, value, i) => sum + Math.abs(value - final[from + i]!), 0) /
      (end - from);
    const first = await page(0);
    const half = 16 * 16 * 1.5;
    t.true(distance(first, half, 2 * half) > 2 * distance(last, half, 2 * half));
  }
});

/** Writes an image of noise, or of rectangles `[left, top, width, height]` in white on black, and returns its path. */
async function imageFile(name: string, width: number, height: number, white?: number[][]) {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    if (!white) return (i * i * 7 + 31 * i) % 256;
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return white.some(([l, u, w, h]) => x >= l! && x < l! + w! && y >= u! && y < u! + h!) ? 255 : 0;
  });
  const path = join(root, `${name}.png`);
  await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(path);
  return path;
}

/** Bytes of an image of `width` pixels that differ from another's, by their pixel: the drawn ones. */
function differing(one: string, other: string, width: number): boolean[][] {
  const [a, b] = [one, other].map((text) => Buffer.from(text, 'hex'));
  const isDrawn = (at: number) => [0, 1, 2].some((c) => a![3 * at + c] !== b![3 * at + c]);
  return Array.from({ length: a!.length / 3 / width }, (_, row) =>
    Array.from({ length: width }, (__, column) => isDrawn(row * width + column)),
  );
}

test.serial('an image is completed where the mask is white, or outside the half that is kept', async (t) => {
  const photo = await imageFile('photo', 16, 16);
  const given = (await sharp(photo).raw().toBuffer()).toString('hex');
  const mask = await imageFile('mask', 16, 16, [[3, 4, 6, 5]]);
  const drawnRows = (drawn: boolean[][]) => drawn.flatMap((row, y) => (row.some(Boolean) ? [y] : []));
  const columns = (drawn: boolean[][]) => drawnRows(drawn[0]!.map((_, x) => drawn.map((row) => row[x]!)));
  const upTo = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i);
  for (const [name, flags, rows, across] of [
    ['masked', ['--mask', mask, '--raw'], upTo(4, 9), upTo(3, 9)],
    ['top', ['--keep', 'top'], upTo(8, 16), upTo(0, 16)],
    ['left', ['--keep', 'left'], upTo(0, 16), upTo(8, 16)],
    ['share', ['--keep', '0.75'], upTo(12, 16), upTo(0, 16)],
  ] as const) {
    const { pixels, recipe } = await sampled(name, plain, '--n', '2', '--image', photo, ...flags);
    t.like(recipe, { image: photo });
    t.not(pixels[0], pixels[1]);
    for (const image of pixels) {
      const drawn = differing(image, given, 16);
      t.deepEqual([drawnRows(drawn), columns(drawn)], [rows, across], name);
    }
  }
  const raw = (
    await sharp(join(root, 'masked', '0000-raw.png'))
      .raw()
      .toBuffer()
  ).toString('hex');
  t.true(differing(raw, given, 16).flat().filter(Boolean).length > 128, 'decoded outside of the mask, too');
  t.false(existsSync(join(root, 'top', '0000-raw.png')));
  const small = await imageFile('small', 8, 16);
  const inside = (await sharp(small).raw().toBuffer()).toString('hex');
  for (const [at, left] of [
    [[], 8],
    [['--at', '2,0'], 2],
  ] as const) {
    const flags = ['--n', '1', '--image', small, '--size', '24x16', ...at];
    const { pixels } = await sampled(`outside ${left}`, plain, ...flags);
    const rows = pixels[0]!.match(/.{144}/g)!.map((row) => row.slice(6 * left, 6 * (left + 8)));
    t.is(rows.join(''), inside);
  }
});

test.serial(
  'variations of an image differ from it in some codes, the more the larger the share',
  async (t) => {
    const photo = await imageFile('varied', 20, 16);
    const vary = (name: string, share: string, ...flags: string[]) =>
      sampled(name, classes, '--class', '5', '--n', '3', '--vary', photo, '--share', share, ...flags);
    const { model: net } = await openRun(classes, 'transformer', 'cpu');
    const { pixels } = await readFitted(photo, photo, { stride: 2, channels: 3, size: 16 }, { square: true });
    const image = bytesToImages(pixels, [16, 16], 3);
    const codes = net.encodeToZ(image).indices;
    const own = hex(net.decodeToImg(codes, [8, 8]));
    const some = await vary('some', '0.1', '--per-image-seeds', '--temperature', '3');
    const most = await vary('most', '0.9', '--per-image-seeds', '--temperature', '3');
    t.like(some.recipe, { vary: photo, share: 0.1 });
    const bytes = (image: string) => [...Buffer.from(image, 'hex')];
    const original = bytes(own);
    const distance = (images: string[]) =>
      images.flatMap(bytes).reduce((sum, byte, i) => sum + Math.abs(byte - original[i % 768]!), 0);
    t.true(distance(some.pixels) > 0 && distance(some.pixels) < distance(most.pixels));
    const condition = torch.tensor([[5n], [5n], [5n]]);
    const options = { share: 0.1, condition, temperature: 3, topK: 100, seeds: [1, 2, 3] };
    const direct = net.decodeToImg(variations(net, codes.repeat([3, 1]), options)).unbind(0);
    t.deepEqual(
      some.pixels,
      direct.map((one) => hex(one.unsqueeze(0))),
    );
    const watched = ['--stream', '--animate', join(root, 'varied.webp')];
    t.deepEqual(
      (await vary('some watched', '0.1', '--per-image-seeds', '--temperature', '3', ...watched)).pixels,
      some.pixels,
    );
    for (const [flags, message] of [
      [['--share', '0.5'], /--share 0.5 is for an image to vary: name one with --vary/],
      [['--vary', photo, '--image', photo], /cannot be used with option/],
      [['--vary', photo, '--share', '0'], /It must be a number above 0/],
      [['--vary', photo, '--keep', 'top'], /--keep is for an image to complete/],
    ] as const) {
      await t.throwsAsync(sampled('refused', bare(plain), ...flags), { message });
    }
  },
);

test.serial('what cannot be completed is named before anything is drawn', async (t) => {
  const [photo, odd] = [await imageFile('whole', 16, 16), await imageFile('odd', 15, 16)];
  const [black, other] = [
    await imageFile('black', 16, 16, []),
    await imageFile('other', 8, 16, [[0, 0, 8, 8]]),
  ];
  for (const [flags, message] of [
    [
      ['--image', photo],
      /name what is to be drawn of it with --mask or --keep, or a --size larger than its 16x16/,
    ],
    [['--mask', black], /--mask is for an image to complete: name one with --image/],
    [['--image', photo, '--mask', black], /black.png has no white pixels/],
    [['--image', photo, '--mask', other], /other.png has 8 × 16 pixels, but .*whole.png has 16 × 16/],
    [['--image', photo, '--mask', other, '--keep', 'top'], /cannot be used with option/],
    [['--image', photo, '--keep', 'right'], /It must be top, left, or a number/],
    [
      ['--image', odd, '--size', '24x16'],
      /odd.png has 15 × 16 pixels, but codes have 2 × 2: crop it to 14 × 16/,
    ],
    [
      ['--image', photo, '--size', '24x16', '--at', '3,0'],
      /--at 3,0: .* multiples of 2, .* up to 8,0; the nearest place is 4,0/,
    ],
    [['--image', photo, '--size', '24x16', '--at', '10,0'], /the nearest place is 8,0/],
    [
      ['--image', photo, '--keep', 'top', '--at', '0,0'],
      /--at 0,0: name the size of the whole image with --size/,
    ],
    [['--image', join(root, 'missing.png'), '--keep', 'top'], /missing.png/],
  ] as const) {
    await t.throwsAsync(sampled('refused', bare(plain), ...flags), { message });
  }
});

/** Returns the bytes of an image as `sampled` does. */
const hex = (image: Tensor) => Buffer.from(imageGrid(image).pixels).toString('hex');

test.serial('a map in a file is what is drawn for, and must be one of the model', async (t) => {
  const { ddconfig, ...params } = vqganConfig().model.params;
  const data = { path: 'scenes', size: 16, count: 24, seed: 7, heldOut: 0.25 };
  const maps = join(root, 'maps');
  const segmentation = {
    ...vqganConfig({ steps: 1 }),
    model: {
      target: 'taming.models.vqgan.VQSegmentationModel',
      params: {
        ...params,
        n_labels: 9,
        image_key: 'segmentation',
        ddconfig: { ...ddconfig, in_channels: 9, out_ch: 9 },
        lossconfig: { target: 'taming.modules.losses.segmentation.BCELossWithQuant' },
      },
    },
    data,
  };
  await eventsOf(await VqganTrainer.create(segmentation, { run: maps }));
  const config = transformerConfig(vqgan, { steps: 1, samples: 1, condition: maps });
  const { unconditional: _, transformer_config: gpt, ...rest } = config.model.params;
  const { vocab_size: __, block_size: ___, ...sizes } = gpt.params;
  const model = { ...config.model, params: { ...rest, transformer_config: { ...gpt, params: sizes } } };
  const run = join(root, 'conditional');
  await eventsOf(await TransformerTrainer.create({ ...config, model, data }, { run }));

  const file = async (label: number) => {
    const path = join(root, `label-${label}.png`);
    const create = {
      width: 16,
      height: 16,
      channels: 3,
      background: { r: label, g: label, b: label },
    } as const;
    await sharp({ create }).toColourspace('b-w').png().toFile(path);
    return path;
  };
  const flags = ['--n', '4', '--seed', '3', '--condition'];
  const sky = await sampled('sky', run, ...flags, await file(0));
  const other = await sampled('other', run, ...flags, await file(5));
  t.is(sky.recipe['condition'], await file(0));
  t.notDeepEqual(sky.pixels, other.pixels);
  t.deepEqual((await sampled('sky again', run, ...flags, await file(0))).pixels, sky.pixels);
  const halves = join(root, 'halves.png');
  const bytes = Uint8Array.from({ length: 24 * 16 }, (_, i) => (i % 24 < 12 ? 0 : 5));
  await sharp(bytes, { raw: { width: 24, height: 16, channels: 1 } }).toFile(halves);
  const wide = await sampled('wide map', run, '--size', '24x16', ...flags, halves);
  t.is(wide.pixels[0]!.length, 2 * 3 * 24 * 16);
  const { model: net } = await openRun(run, 'transformer', 'cpu');
  const labels = mapToTensor(bytes, [16, 24], { labels: Array.from('123456789') }, 'cpu');
  const condition = net.encodeToC(labels.repeat([4, 1, 1, 1])).indices.view([4, 8, 12]);
  const generator = new torch.Generator().manualSeed(3);
  const codes = sampleWindowed(net, condition, { window: 8, topK: 16, generator });
  const direct = torch.noGrad(() => net.firstStageModel.decodeIndices(codes)).unbind(0);
  t.deepEqual(
    wide.pixels,
    direct.map((image) => hex(image.unsqueeze(0))),
  );
  for (const [given, message] of [
    [[], /was trained on maps of the field "segmentation": give one with --condition FILE/],
    [['--condition', await file(9)], /label-9\.png: it has the label 9, but .* labels 0 to 8/],
    [['--class', '3'], /--class 3: .* was trained without classes/],
  ] as const) {
    await t.throwsAsync(sampled('refused', bare(run), ...given), { message });
  }
  await t.throwsAsync(sampled('refused', bare(plain), '--condition', await file(0)), {
    message: /without maps/,
  });
  const how = { out: root, device: 'cpu', quiet: true } as const;
  await t.throwsAsync(reconstruct(bare(maps), [await file(0)], how), {
    message: /trained on maps with 9 channels \(segmentation\), not on images/,
  });
  t.true(readFileSync(join(maps, 'README.md'), 'utf8').includes(`--vqgan RUN --condition ${maps} -c maps`));
  t.true(readFileSync(join(run, 'README.md'), 'utf8').includes(`sample ${run} --condition FILE --grid`));
});
