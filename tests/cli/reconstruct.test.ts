import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { reconstruct } from '../../src/cli/commands/reconstruct/run.js';
import type { ReconstructFlags } from '../../src/cli/commands/reconstruct/command.js';
import { ImageDataError } from '../../src/data/image-error.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { plain } from '../data/pictures/pictures.js';
import { images, temporaryFolder, vqganConfig } from '../training/tiny.js';

let run: string;
test.before(async (t) => {
  run = join(temporaryFolder({ teardown: (fn) => void teardown.push(fn) }), 'run');
  t.truthy(run);
  await (await VqganTrainer.create(vqganConfig(), { run, images: images() })).close();
});
const teardown: (() => unknown)[] = [];
test.after.always(() => teardown.forEach((fn) => fn()));

/** Two good images, and others that are broken in different ways. */
async function mixed(t: ExecutionContext): Promise<string> {
  const folder = join(temporaryFolder(t), 'photos');
  mkdirSync(folder);
  for (const [name, colour] of [
    ['a.png', '#336699'],
    ['z.png', '#996633'],
  ] as const) {
    await plain(20, 16, colour).png().toFile(join(folder, name));
  }
  const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251));
  const jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg()
    .toBuffer();
  writeFileSync(join(folder, 'b-half.jpg'), jpeg.subarray(0, jpeg.length >> 1));
  writeFileSync(join(folder, 'c-empty.png'), '');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'd-gone.png'));
  return folder;
}

/** Runs it quietly, and gives its exit code, with what it wrote to stderr. */
async function outcome(images: string[], flags: Partial<ReconstructFlags> & { out: string }) {
  const { write } = process.stderr;
  let stderr = '';
  process.stderr.write = (text: string | Uint8Array) => ((stderr += String(text)), true);
  try {
    await reconstruct(run, images, { device: 'cpu', quiet: true, ...flags });
    return { code: process.exitCode ?? 0, stderr };
  } finally {
    process.stderr.write = write;
    process.exitCode = undefined;
  }
}

for (const grid of [false, true]) {
  test.serial(
    `broken images are named and left out, the others are done${grid ? ', in a grid' : ''}`,
    async (t) => {
      const folder = await mixed(t);
      const out = join(temporaryFolder(t), 'out');
      const missing = join(folder, 'missing.jpg');
      const { code, stderr } = await outcome([missing, folder], { out, grid });
      t.is(code, 1);
      for (const [file, reason] of [
        ['missing.jpg', 'there is no such image or folder'],
        ['b-half.jpg', 'cannot be decoded'],
        ['c-empty.png', 'the file is empty'],
        ['d-gone.png', 'there is no such file'],
      ] as const) {
        t.regex(stderr, new RegExp(`left out .*${file}: ${reason}`));
      }
      t.regex(stderr, /4 of the images could not be used; the others are done/);
      t.deepEqual(
        readdirSync(out).sort(),
        grid ? ['grid.png', 'reconstructions.json'] : ['a.png', 'reconstructions.json', 'z.png'],
      );
      const recipe = JSON.parse(readFileSync(join(out, 'reconstructions.json'), 'utf8')) as Record<
        string,
        unknown[]
      >;
      t.is(recipe['pictures']!.length, 2);
      t.is(recipe['leftOut']!.length, 4);
    },
  );
}

test.serial('where all images are good the exit code is 0, and nothing is said of others', async (t) => {
  const folder = await mixed(t);
  const out = join(temporaryFolder(t), 'out');
  t.deepEqual(await outcome([join(folder, 'a.png')], { out }), { code: 0, stderr: '' });
  t.false(readFileSync(join(out, 'reconstructions.json'), 'utf8').includes('leftOut'));
});

test.serial('where none can be used that is an error, and nothing is written', async (t) => {
  const folder = await mixed(t);
  const out = join(temporaryFolder(t), 'out');
  const broken = ['b-half.jpg', 'c-empty.png'].map((name) => join(folder, name));
  await t.throwsAsync(outcome(broken, { out }), { message: /none of the 2 images can be used/ });
  await t.throwsAsync(outcome(broken.slice(1), { out }), {
    instanceOf: ImageDataError,
    message: /the file is empty/,
  });
  t.false(existsSync(out));
});

test.serial('names that are not UTF-8 are kept in what is written', async (t) => {
  const folder = temporaryFolder(t);
  const out = join(folder, 'out');
  const bytes = (name: string) => Buffer.from(join(folder, 'in', name), 'latin1');
  mkdirSync(join(folder, 'in'));
  for (const name of ['caf\xe9.png', 'caf\xe8.png']) {
    writeFileSync(bytes(name), await plain(16, 16, '#336699').png().toBuffer());
  }
  t.like(await outcome([join(folder, 'in')], { out }), { code: 0 });
  t.deepEqual(
    readdirSync(out, { encoding: 'buffer' })
      .map((name) => name.toString('latin1'))
      .sort(),
    ['caf\xe8.png', 'caf\xe9.png', 'reconstructions.json'],
  );
  const shown = join(folder, 'in', 'caf\\xe9.png');
  t.like(await outcome([shown], { out: join(folder, 'again') }), { code: 0 });
});
