import { spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { EncodeFlags } from '../../src/cli/commands/encode/command.js';
import { encode } from '../../src/cli/commands/encode/run.js';
import { UsageError } from '../../src/cli/usage-error.js';
import { systemPath } from '../../src/files/file-names.js';
import { tryLock } from '../../src/files/lock.js';
import { packageRoot } from '../../src/files/package.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { ImageTokenizer } from '../../src/tokenizer/image-tokenizer.js';
import { tokenText } from '../../src/tokenizer/templates.js';
import { loadCheckpoint, loadNpy, saveSafetensors } from '../../src/torch/io/index.js';
import { temporaryFolder, vqganConfig } from '../training/tiny.js';
import { defaults } from '../tokenizer/token-sets.js';
import { png, runs } from '../tokenizer/tokenizers.js';
import { tessera, tesseraHere } from './tessera.js';

let made: Awaited<ReturnType<typeof runs>>;
let tokenizer: ImageTokenizer;
test.before(async () => {
  made = await runs();
  tokenizer = await ImageTokenizer.open(made.vqgan, { device: 'cpu' });
});
test.after.always(() => made.remove());

type Given = Partial<EncodeFlags> & { out: string };

/** Runs it quietly, and gives its exit code, with what it wrote. */
async function outcome(paths: string[], flags: Given, run = made.vqgan, onError?: (text: string) => void) {
  const [out, err] = [process.stdout.write, process.stderr.write];
  let [stdout, stderr] = ['', ''];
  process.stdout.write = (text: string | Uint8Array) => ((stdout += String(text)), true);
  process.stderr.write = (text: string | Uint8Array) => {
    stderr += String(text);
    onError?.(String(text));
    return true;
  };
  try {
    await encode(run, paths, { ...defaults, ...flags });
    return { code: process.exitCode ?? 0, stdout, stderr };
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
    process.exitCode = undefined;
  }
}

/** A folder of images of the given widths, 16 pixels high, called 0.png and so on. */
async function photos(t: ExecutionContext, widths: readonly number[]): Promise<string> {
  const folder = join(temporaryFolder(t), 'photos');
  mkdirSync(folder);
  for (const [i, width] of widths.entries()) writeFileSync(join(folder, `${i}.png`), await png(width, 16, i));
  return folder;
}

interface Line {
  file: string;
  grid: [number, number];
  ids: number[];
  size?: [number, number];
}

const linesOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** All files of a folder but the manifest, by name. */
const contentOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('latin1')]),
  );

const idsOf = async (file: string, options = {}) => {
  const { ids } = await tokenizer.encode(file, options);
  return ids.flatten().tolist() as number[];
};

test.serial('a folder becomes lines with file, grid and the ids of the tokenizer', async (t) => {
  const folder = await photos(t, [16, 20, 16]);
  const out = join(temporaryFolder(t), 'out');
  t.deepEqual(await outcome([folder], { out }), { code: 0, stdout: '', stderr: '' });
  t.deepEqual(readdirSync(out).sort(), ['tokens-00000.jsonl', 'tokens.json']);
  const files = [0, 1, 2].map((i) => join(folder, `${i}.png`));
  const expected = await Promise.all(
    files.map(async (file, i) => ({ file, grid: [8, i === 1 ? 10 : 8], ids: await idsOf(file) })),
  );
  t.deepEqual(linesOf(join(out, 'tokens-00000.jsonl')), expected as Line[]);
});

test.serial('files, folders and lists may be mixed, and a transformer may be named', async (t) => {
  const folder = await photos(t, [16, 16]);
  writeFileSync(join(folder, 'list.txt'), '1.png\n');
  const out = join(temporaryFolder(t), 'out');
  await outcome([join(folder, 'list.txt'), join(folder, '0.png'), folder], { out }, made.transformer);
  const names = linesOf(join(out, 'tokens-00000.jsonl')).map(({ file }) => file.slice(-5));
  t.deepEqual(names, ['1.png', '0.png', '0.png', '1.png']);
});

test.serial('each flag changes the ids as its option of the tokenizer does', async (t) => {
  const folder = await photos(t, [25]);
  const file = join(folder, '0.png');
  const seen = new Set<string>();
  for (const options of [
    {},
    { size: 9 },
    { size: 9, square: true },
    { size: 9, fit: 'pad' },
    { size: 9, fit: 'pad', padding: 'replicate' },
    { size: 9, fit: 'resize' },
    { size: 24, tile: 12 },
    { size: 24, tile: 12, overlap: 6 },
  ] as const) {
    const out = join(temporaryFolder(t), 'out');
    await outcome([file], { out, ...options });
    const [line] = linesOf(join(out, 'tokens-00000.jsonl'));
    const expected = await tokenizer.encode(file, options);
    t.deepEqual(line!.ids, expected.ids.flatten().tolist());
    t.deepEqual(line!.grid, expected.grid);
    t.deepEqual(line!.size, 'fit' in options && options.fit === 'pad' ? expected.size : undefined);
    seen.add(JSON.stringify(line!.ids));
  }
  t.is(seen.size, 8);
});

test.serial('--offset and --markers make sequences', async (t) => {
  const folder = await photos(t, [16]);
  const file = join(folder, '0.png');
  const ids = await idsOf(file);
  const markers = { begin: 1, row: 2, end: 3 };
  const flat = [1];
  for (let y = 0; y < 8; y++) flat.push(...ids.slice(8 * y, 8 * y + 8).map((id) => id + 50), 2);
  flat.push(3);
  const out = (name: string) => join(folder, name);
  await outcome([file], { out: out('offset'), offset: 50 });
  t.deepEqual(
    linesOf(join(folder, 'offset', 'tokens-00000.jsonl'))[0]!.ids,
    ids.map((id) => id + 50),
  );
  await outcome([file], { out: out('lines'), offset: 50, markers });
  t.deepEqual(linesOf(join(folder, 'lines', 'tokens-00000.jsonl'))[0]!.ids, flat);
  await outcome([file], { out: out('arrays'), offset: 50, markers, to: 'npy' });
  const array = await loadNpy(join(folder, 'arrays', '0.npy'));
  t.deepEqual([array.shape, array.dtype, array.tolist()], [[74], 'int32', flat]);
});

test.serial('--template adds the text that a model reads, of ids without the offset', async (t) => {
  const folder = await photos(t, [16]);
  const file = join(folder, '0.png');
  const out = join(folder, 'text');
  await outcome([file], { out, offset: 50, template: 'emu3' });
  const [line] = linesOf(join(out, 'tokens-00000.jsonl')) as (Line & { text: string })[];
  t.is(line!.text, tokenText(await idsOf(file), [8, 8], 'emu3'));
});

test.serial('npy: one array per image, or shards with their file names in another file', async (t) => {
  const folder = await photos(t, [16, 20, 16, 16]);
  const [each, shards] = ['each', 'shards'].map((name) => join(folder, name)) as [string, string];
  await outcome([folder, join(folder, '0.png')], { out: each, to: 'npy' });
  t.deepEqual(readdirSync(each).sort(), ['0-2.npy', '0.npy', '1.npy', '2.npy', '3.npy', 'tokens.json']);
  const one = await loadNpy(join(each, '1.npy'));
  t.deepEqual([one.shape, one.dtype], [[8, 10], 'int32']);
  t.deepEqual(one.flatten().tolist(), await idsOf(join(folder, '1.png')));

  await outcome([folder], { out: shards, to: 'npy', shard: 3 });
  const stems = ['tokens-00000.8x10', 'tokens-00000.8x8', 'tokens-00001'];
  const names = stems.flatMap((stem) => [`${stem}.json`, `${stem}.npy`]);
  t.deepEqual(readdirSync(shards).sort(), [...names, 'tokens.json']);
  const array = await loadNpy(join(shards, 'tokens-00000.8x8.npy'));
  t.deepEqual(array.shape, [2, 8, 8]);
  t.deepEqual(array.select(0, 1).flatten().tolist(), await idsOf(join(folder, '2.png')));
  t.deepEqual(JSON.parse(readFileSync(join(shards, 'tokens-00000.8x8.json'), 'utf8')), {
    grid: [8, 8],
    files: ['0.png', '2.png'].map((name) => join(folder, name)),
  });
});

test.serial('safetensors: int32 ids [N, h, w] and the file names in the metadata', async (t) => {
  const folder = await photos(t, [16, 19, 16]);
  const out = join(folder, 'out');
  await outcome([folder], { out, to: 'safetensors', shard: 2, size: 15, fit: 'pad', square: true });
  t.deepEqual(readdirSync(out).sort(), [
    'tokens-00000.safetensors',
    'tokens-00001.safetensors',
    'tokens.json',
  ]);
  const { tensors, metadata } = await loadCheckpoint(join(out, 'tokens-00000.safetensors'));
  t.deepEqual([...tensors.keys()], ['ids']);
  t.deepEqual(tensors.info('ids'), { shape: [2, 8, 8], dtype: 'int32' });
  const files = [0, 1].map((i) => join(folder, `${i}.png`));
  t.deepEqual(metadata, { files: JSON.stringify(files), sizes: '[[15,15],[15,15]]' });
  const options = { size: 15, fit: 'pad', square: true } as const;
  t.deepEqual(tensors.get('ids')!.select(0, 1).flatten().tolist(), await idsOf(files[1]!, options));

  const mixed = join(folder, 'mixed');
  await outcome([folder], { out: mixed, to: 'safetensors' });
  const both = await loadCheckpoint(join(mixed, 'tokens-00000.safetensors'));
  t.deepEqual([...both.tensors.keys()].sort(), ['ids.8x8', 'ids.8x9']);
  t.deepEqual(Object.keys(both.metadata).sort(), ['files.8x8', 'files.8x9']);
});

test.serial('broken images are named and left out, now and when the run is repeated', async (t) => {
  const folder = await photos(t, [16, 16, 16, 16]);
  writeFileSync(join(folder, '1.png'), '');
  writeFileSync(join(folder, '3.png'), 'text');
  writeFileSync(join(folder, '2.png'), 'text');
  const out = join(folder, 'out');
  const missing = join(folder, 'missing.png');
  for (const pass of [1, 2]) {
    const { code, stderr } = await outcome([folder, missing], { out, shard: 2 });
    t.is(code, 1, String(pass));
    t.regex(stderr, /left out .*missing\.png: there is no such image/);
    t.regex(stderr, /left out .*1\.png: the file is empty\n.*left out .*2\.png: this is not a JPEG/);
    t.regex(stderr, /4 of the images could not be used; the others are done/);
    t.deepEqual(readdirSync(out).sort(), ['tokens-00000.jsonl', 'tokens.json']);
    t.deepEqual(linesOf(join(out, 'tokens-00000.jsonl')).length, 1);
  }
  await t.throwsAsync(outcome([join(folder, '1.png')], { out: join(folder, 'none') }), {
    message: /1\.png: the file is empty/,
  });
});

test.serial('names that are not UTF-8 are kept', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ['caf\xe9.png', 'caf\xe8.png']) {
    writeFileSync(Buffer.from(join(folder, name), 'latin1'), await png(16, 16));
  }
  const [lines, arrays] = ['lines', 'arrays'].map((name) => join(temporaryFolder(t), name)) as [
    string,
    string,
  ];
  for (const out of [lines, lines]) t.is((await outcome([folder], { out })).code, 0);
  t.deepEqual(
    linesOf(join(lines, 'tokens-00000.jsonl')).map(({ file }) => systemPath(file)),
    ['caf\xe8.png', 'caf\xe9.png'].map((name) => Buffer.from(join(folder, name), 'latin1')),
  );
  for (const out of [arrays, arrays]) await outcome([folder], { out, to: 'npy' });
  const names = readdirSync(arrays, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  t.deepEqual(names.sort(), ['caf\xe8.npy', 'caf\xe9.npy', 'tokens.json']);
});

test.serial('whole shards are kept; damaged, missing and half-written ones are written again', async (t) => {
  const folder = await photos(t, [16, 20, 16, 16, 20, 16, 24]);
  for (const to of ['jsonl', 'npy', 'safetensors'] as const) {
    const out = join(folder, to);
    const flags = { out, to, shard: 2, batch: 2 };
    await outcome([folder], flags);
    const expected = contentOf(out);
    const names = Object.keys(expected).filter((name) => name.startsWith('tokens-'));
    t.true(names.length >= 4);
    const [first, second, third] = names as [string, string, string];
    truncateSync(join(out, first), 30);
    rmSync(join(out, second));
    const changed = Buffer.from(expected[third]!, 'latin1');
    changed[changed.length - 3]! ^= 1;
    writeFileSync(join(out, third), changed);
    writeFileSync(join(out, `.${first}.123.0123abcd.tmp`), 'half');
    const { stdout } = await outcome([folder], { ...flags, json: true, quiet: false });
    t.deepEqual(contentOf(out), expected);
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { files: string[]; kept: boolean });
    t.is(records.length, 4);
    for (const { files, kept } of records) {
      t.is(kept, !files.some((name) => [first, second, third].includes(name)), files.join());
    }
    const again = await outcome([folder], { ...flags, json: true, quiet: false });
    t.is(again.stdout.match(/"kept":true/g)?.length, 4);
    t.deepEqual(contentOf(out), expected);
  }
});

test.serial(
  'a shard whose manifest entry was lost in a crash is written again, to the same bytes',
  async (t) => {
    const folder = await photos(t, [16, 16, 16]);
    const out = join(folder, 'out');
    await outcome([folder], { out, shard: 1 });
    const expected = contentOf(out);
    const manifest = JSON.parse(expected['tokens.json']!) as { shards: Record<string, unknown> };
    delete manifest.shards['1'];
    writeFileSync(join(out, 'tokens.json'), JSON.stringify(manifest));
    writeFileSync(join(out, 'tokens-00001.jsonl'), 'half of a li');
    await outcome([folder], { out, shard: 1 });
    t.deepEqual(contentOf(out), expected);
  },
);

test.serial('a folder that was begun otherwise is refused with the difference', async (t) => {
  const folder = await photos(t, [16, 16]);
  const out = join(folder, 'out');
  await outcome([folder], { out });
  const before = contentOf(out);
  const refused = async (
    message: RegExp,
    flags: Partial<EncodeFlags>,
    paths = [folder],
    run = made.vqgan,
  ) => {
    await t.throwsAsync(outcome(paths, { out, ...flags }, run), { instanceOf: UsageError, message });
    t.deepEqual(contentOf(out), before);
  };
  const cases: [RegExp, Partial<EncodeFlags>][] = [
    [
      /begun with --to "jsonl", now it is "npy"; repeat it with the same, or name another folder/,
      { to: 'npy' },
    ],
    [/--shard null, now it is 5/, { shard: 5 }],
    [/--size 16, now it is 8/, { size: 8 }],
    [/--square false, now it is true/, { square: true }],
    [/--fit "crop", now it is "pad"/, { fit: 'pad' }],
    [/--padding "reflect", now it is "replicate"/, { padding: 'replicate' }],
    [/--offset 0, now it is 3/, { offset: 3 }],
    [/--markers null, now it is \[20,21,22\]/, { markers: { begin: 20, row: 21, end: 22 } }],
    [/--batch 16, now it is 2/, { batch: 2 }],
    [/--precision "float32", now it is "bfloat16"/, { precision: 'bfloat16' }],
  ];
  for (const [message, flags] of cases) await refused(message, flags);
  await refused(/begun with other images: 2, now 1/, {}, [join(folder, '0.png')]);
  await refused(/begun with other images; /, {}, [join(folder, '1.png'), join(folder, '0.png')]);
  const path = join(folder, 'other.safetensors');
  const { tensors } = await loadCheckpoint(
    join((await newestCheckpoint(made.vqgan)).path, 'model.safetensors'),
  );
  const weights = new Map(tensors);
  weights.set('encoder.conv_in.bias', weights.get('encoder.conv_in.bias')!.add(1));
  await saveSafetensors(path, weights);
  const config = join(folder, 'model.yaml');
  writeFileSync(config, JSON.stringify({ model: vqganConfig().model }));
  await refused(/begun with another model, or another checkpoint/, { config }, [folder], path);
  writeFileSync(join(folder, '1.png'), await png(24, 24, 9));
  await refused(/begun with other images; /, {});
});

test.serial('folders of other things and damaged manifests are refused', async (t) => {
  const folder = await photos(t, [16]);
  const refused = (out: string, message: RegExp) =>
    t.throwsAsync(outcome([join(folder, '0.png')], { out }), { instanceOf: UsageError, message });
  await refused(folder, /is not empty \(0\.png\) and has no tokens\.json/);
  const out = join(folder, 'out');
  mkdirSync(out);
  writeFileSync(join(out, 'tokens.json'), '{"format": 1, "sett');
  await refused(out, /tokens\.json is damaged/);
  writeFileSync(join(out, 'tokens.json'), '{"format": 2}');
  await refused(out, /newer tessera-torch/);
  rmSync(join(out, 'tokens.json'));
});

test.serial('a folder that another process is writing to is waited for', async (t) => {
  const folder = await photos(t, [16]);
  const out = join(folder, 'out');
  mkdirSync(out);
  const release = tryLock(join(out, '.lock')) as () => void;
  const waiting = outcome([join(folder, '0.png')], { out }, made.vqgan, (text) => {
    if (/^waiting for process \d+, which is writing to /.test(text)) release();
  });
  t.is((await waiting).code, 0);
  t.false(existsSync(join(out, '.lock')));
});

test.serial('flags that the model cannot take are wrong usage', async (t) => {
  const folder = await photos(t, [16]);
  const out = join(folder, 'out');
  const markers = { begin: 20, row: 21, end: 5 };
  // Without weights: the flags are checked before those are read.
  const bare = join(folder, 'bare');
  cpSync(made.vqgan, bare, { recursive: true, filter: (path) => !path.endsWith('model.safetensors') });
  for (const [flags, message] of [
    [{ markers }, /marker end is 5, which is also an id: ids are 0 to 15/],
    [{ to: 'safetensors', markers }, /--markers make flat sequences/],
    [{ size: 1 }, /smaller than one code/],
    [{ offset: 2 ** 31 }, /fit into int32/],
    [{ tile: 3 }, /tile must be an integer of at least two codes/],
    [{ template: 'emu3', to: 'npy' }, /--template adds text/],
  ] as const) {
    await t.throwsAsync(outcome([folder], { out, ...flags }, bare), { instanceOf: UsageError, message });
  }
  t.false(existsSync(out));
  await t.throwsAsync(outcome([folder], { out }, bare), { message: /has no usable checkpoint/ });
});

/** A folder with many links to few images, for runs that are stopped in the middle. */
async function many(t: ExecutionContext): Promise<string> {
  const folder = await photos(t, [16, 20, 16]);
  for (let i = 3; i < 40; i++) copyFileSync(join(folder, `${i % 3}.png`), join(folder, `${i}.png`));
  return folder;
}

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** Runs the command line and sends a signal once the second shard is there. */
async function stopped(args: string[], out: string, signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: packageRoot(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stdout.on('data', (text: Buffer) => {
    if (text.includes('tokens-00001') || existsSync(join(out, 'tokens-00001.jsonl'))) child.kill(signal);
  });
  return ended;
}

for (const [signal, code] of [
  ['SIGKILL', null],
  ['SIGINT', 130],
] as const) {
  test.serial(`a run that ${signal} ends in the middle continues to the same bytes`, async (t) => {
    const folder = await many(t);
    const out = join(folder, 'out');
    const args = [
      'encode',
      made.vqgan,
      folder,
      '--out',
      out,
      '--shard',
      '2',
      '--device',
      'cpu',
      '--size',
      '32',
    ];
    t.is(await stopped(args, out, signal), code);
    const first = Object.keys(contentOf(out));
    t.true(first.includes('tokens-00001.jsonl'));
    t.false(first.includes('tokens-00019.jsonl'));
    const { stdout } = await outcome([folder], { out, shard: 2, size: 32, json: true, quiet: false });
    t.regex(stdout, /"kept":true/);
    t.regex(stdout, /"kept":false/);
    const whole = join(folder, 'whole');
    await outcome([folder], { out: whole, shard: 2, size: 32 });
    t.deepEqual(contentOf(out), contentOf(whole));
  });
}

test.serial(
  'the command line prints each shard with rate and time left, and refuses wrong flags',
  async (t) => {
    const folder = await photos(t, [16, 16, 16]);
    const out = join(folder, 'out');
    const args = ['encode', made.vqgan, folder, '--out', out, '--shard', '2', '--device', 'cpu'];
    const { code, stdout } = await tessera([...args, '--markers', '20,21,22', '--precision', 'bfloat16']);
    t.is(code, 0);
    t.regex(stdout, /^tokens-00000\.jsonl: 2 images \(2 of 3\), \S+ images\/s, \S+ left$/m);
    t.regex(stdout, /^tokens-00001\.jsonl: 1 image \(3 of 3\), \S+ images\/s$/m);
    t.regex(stdout, /^3 images in \S+: /m);
    const wrong = await tesseraHere([...args, '--markers', '20,21']);
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /three non-negative integers, begin,row,end/);
  },
);
