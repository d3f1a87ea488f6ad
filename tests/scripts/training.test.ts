import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { writeScenes } from '../../src/data/scenes.js';

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a script as a user would; `interruptAt` sends Ctrl-C when stdout matches. */
function script(name: string, args: string[], interruptAt?: RegExp): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import=tsx', `scripts/${name}.ts`, ...args]);
    const result: Outcome = { code: null, stdout: '', stderr: '' };
    let interrupted = false;
    child.stdout.on('data', (chunk: Buffer) => {
      result.stdout += chunk.toString();
      if (interrupted || !interruptAt?.test(result.stdout)) return;
      interrupted = true;
      child.kill('SIGINT');
    });
    child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
  });
}

let root: string;
let scenes: string;
let vqgan: string;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tessera-scripts-'));
  scenes = join(root, 'scenes');
  vqgan = join(root, 'vqgan');
  await writeScenes(scenes, { seed: 1, count: 12, width: 16 });
});
test.after.always(() => rm(root, { recursive: true, force: true }));

/** The folder that an output would be in holds nothing of it, not even under another name. */
async function leavesNothing(t: ExecutionContext, parent: string): Promise<void> {
  t.deepEqual(existsSync(parent) ? await readdir(parent) : [], []);
}

test.serial('both stages train and write a complete folder', async (t) => {
  const first = await script('train-vqgan', [scenes, '--out', vqgan, '--size', '16', '--steps', '4']);
  t.is(first.code, 0, first.stderr);
  t.regex(
    first.stdout,
    /vqgan {2}4 steps {2}100% .*it\/s.*img\/s.*eta 0s.*rec .*vq .*gan .*held-out .* dB {2}codes \d+\/256/,
  );
  t.is(first.stderr.match(/LPIPS has no weights/g)?.length, 1);
  t.deepEqual((await readdir(vqgan)).sort(), [
    'config.json',
    'metrics.jsonl',
    'reconstructions.png',
    'vqgan.safetensors',
  ]);
  const pictures = await sharp(join(vqgan, 'reconstructions.png')).metadata();
  t.is(pictures.width, 2 * 32 + 2); // two held out of twelve, enlarged twice

  const out = join(root, 'transformer');
  const args = [scenes, '--vqgan', vqgan, '--out', out, '--steps', '4', '--samples', '8'];
  const second = await script('train-transformer', args);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /transformer {2}4 steps {2}100% .*loss .*held-out /);
  t.deepEqual((await readdir(out)).sort(), [
    'config.json',
    'metrics.jsonl',
    'samples.png',
    'transformer.safetensors',
  ]);
  const last = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n').at(-1)!;
  t.like(JSON.parse(last), { step: 4 });

  const again = await script('train-vqgan', [scenes, '--out', vqgan, '--size', '16', '--steps', '4']);
  t.is(again.code, 1);
  t.regex(again.stderr, /already exists/);
});

test('wrong usage exits with 2 and shows the right one', async (t) => {
  for (const args of [
    [],
    ['pictures', '--out', 'x', '--stpes', '3'],
    ['pictures', '--out', 'x', '--steps', 'many'],
  ]) {
    const { code, stderr } = await script('train-vqgan', args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, /usage: npx tsx scripts\/train-vqgan\.ts/);
  }
  t.is((await script('train-transformer', ['pictures', '--out', 'x'])).code, 2);
});

test('a folder or an image that cannot be used exits with 1, one clear line, and nothing half-written', async (t) => {
  const parent = join(root, 'refused');
  const out = ['--out', join(parent, 'vqgan'), '--steps', '3', '--size', '16'];
  const missing = await script('train-vqgan', [join(root, 'nowhere'), ...out]);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^error: .*nowhere: there is no such folder$/m);

  const spoilt = join(root, 'spoilt');
  await mkdir(spoilt);
  await copyFile(join(scenes, '00000.png'), join(spoilt, 'good.png'));
  await writeFile(join(spoilt, 'bad.jpg'), 'not a jpeg');
  const corrupt = await script('train-vqgan', [spoilt, ...out]);
  t.is(corrupt.code, 1);
  t.regex(corrupt.stderr, /^error: .*bad\.jpg: this image cannot be decoded \(.+\)\. Repair it/m);

  const odd = await script('train-vqgan', [
    scenes,
    '--out',
    join(parent, 'x'),
    '--steps',
    '3',
    '--size',
    '18',
  ]);
  t.is(odd.code, 2);
  t.regex(odd.stderr, /multiple of 4, not 18/);

  const noStage = await script('train-transformer', [
    scenes,
    '--vqgan',
    spoilt,
    '--out',
    join(parent, 'transformer'),
  ]);
  t.is(noStage.code, 1);
  t.regex(noStage.stderr, /error: .*vqgan\.safetensors/);
  await leavesNothing(t, parent);
});

test('Ctrl-C saves what there is and exits with 130', async (t) => {
  const out = join(root, 'interrupted');
  const { code, stdout } = await script('train-vqgan', [scenes, '--out', out, '--size', '16'], /1 steps/);
  t.is(code, 130, stdout);
  t.true(existsSync(join(out, 'vqgan.safetensors')));
  t.true(existsSync(join(out, 'reconstructions.png')));
});
