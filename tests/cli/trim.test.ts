/** `trim`: a run without unused codes, which every command takes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { TrimFlags } from '../../src/cli/commands/trim/command.js';
import { trim } from '../../src/cli/commands/trim/run.js';
import { openRun } from '../../src/runs/open.js';
import { sampleImages } from '../../src/sampling/images.js';
import { ImageTokenizer } from '../../src/tokenizer/image-tokenizer.js';
import * as torch from '../../src/torch/index.js';
import { png, runs } from '../tokenizer/tokenizers.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-trim-'));
const photos = join(root, 'photos');
let made: Awaited<ReturnType<typeof runs>>;
test.before(async () => {
  made = await runs();
  mkdirSync(photos);
  for (let i = 0; i < 3; i++) writeFileSync(join(photos, `${i}.png`), await png(16, 16, i));
});
test.after.always(() => {
  made.remove();
  rmSync(root, { recursive: true, force: true });
});

const flags = (name: string, more: Partial<TrimFlags> = {}): TrimFlags => ({
  name,
  out: root,
  images: photos,
  atLeast: 1,
  batch: 2,
  device: 'cpu',
  quiet: true,
  ...more,
});

/** What the command prints. */
async function printed(t: ExecutionContext, command: () => Promise<void>): Promise<string> {
  const { write } = process.stdout;
  const parts: string[] = [];
  process.stdout.write = (text: string) => parts.push(text) > 0;
  t.teardown(() => (process.stdout.write = write));
  await command().finally(() => (process.stdout.write = write));
  return parts.join('');
}

test.serial('a VQGAN has the codes that its images use, and decodes the same images', async (t) => {
  const text = await printed(t, () => trim(made.vqgan, flags('small', { quiet: false, json: true })));
  const { codes, differing, images, parameters } = JSON.parse(text) as Record<string, any>;
  t.is(codes.before, 16);
  t.true(codes.after < 16 && codes.after > 0, `${codes.after} codes`);
  t.is(parameters.before - parameters.after, (16 - codes.after) * 8);
  t.deepEqual([images, differing], [6, 0], 'mirrored images, too');
  using before = await ImageTokenizer.open(made.vqgan);
  using after = await ImageTokenizer.open(join(root, 'small'));
  t.is(after.nCodes, codes.after);
  const photo = readFileSync(join(photos, '1.png'));
  const [old, now] = [await before.encode(photo), await after.encode(photo)];
  t.deepEqual((await after.decode(now.ids)).tolist(), (await before.decode(old.ids)).tolist());
  t.regex(readFileSync(join(root, 'small/README.md'), 'utf8'), /without the codes that no image uses/);
});

test.serial('a transformer loses the rows of its embedding and its head, and samples', async (t) => {
  await trim(made.transformer, flags('second'));
  const { model: before } = await openRun(made.transformer, 'transformer');
  const { model } = await openRun(join(root, 'second'), 'transformer');
  const { nCodes } = model.transformer;
  t.true(nCodes < before.transformer.nCodes);
  t.is(model.transformer.vocabSize, nCodes + 1, 'the start token has a row of its own');
  t.deepEqual(model.transformer.head.weight.shape[0], nCodes + 1);
  const { indices } = model.encodeToC(torch.zeros([2, 3, 16, 16]));
  t.deepEqual(indices.tolist(), [[nCodes], [nCodes]]);
  t.deepEqual(sampleImages(model, indices, { grid: [8, 8] }).shape, [2, 3, 16, 16]);
});

test.serial('codes that are chosen seldom go, and the images that had them are counted', async (t) => {
  const text = await printed(t, () =>
    trim(made.vqgan, flags('fewer', { atLeast: 60, json: true, quiet: false })),
  );
  const { codes, differing } = JSON.parse(text) as Record<string, any>;
  const { model } = await openRun(join(root, 'small'), 'vqgan');
  t.true(codes.after < model.nCodes, `${codes.after} of ${model.nCodes}`);
  t.true(differing > 0);
});

const refused: [string, () => Promise<void>, RegExp][] = [
  [
    'no images',
    () => trim(join(root, 'small'), flags('none', { images: undefined } as never)),
    /no images of its own; name images/,
  ],
  ['a folder that has a run', () => trim(made.vqgan, flags('small')), /already contains a run/],
  [
    'no code chosen so often',
    () => trim(made.vqgan, flags('none', { atLeast: 1e6 })),
    /no code .* 1000000 times/,
  ],
  ['nothing to leave out', () => trim(join(root, 'small'), flags('none')), /all \d+ codes .* are in use/],
];
for (const [name, run, message] of refused)
  test.serial(`refused: ${name}`, async (t) => {
    await t.throwsAsync(run, { message });
  });
