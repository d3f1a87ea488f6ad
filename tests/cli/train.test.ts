import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import { parse } from 'yaml';
import { packageRoot } from '../../src/files/package.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { tesseraHere, type Outcome } from './tessera.js';

interface Watch {
  /** Once stdout matches, … */
  at?: RegExp;
  /** … this is done, and awaited before the signals are sent. */
  meanwhile?: () => Promise<void>;
  signals?: readonly NodeJS.Signals[];
  /** Program through which the command is started. */
  through?: readonly string[];
}

/** Runs the command line as a user would. */
function tessera(
  args: string[],
  { at: moment, meanwhile, signals = ['SIGINT'], through = [] }: Watch = {},
): Promise<Outcome> {
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const env = { ...process.env, NO_COLOR: '1', OMP_NUM_THREADS: '1' };
  const [command, ...rest] = [...through, process.execPath, main, ...args] as [string, ...string[]];
  const child = spawn(command, rest, { cwd: packageRoot(), env });
  const result: Outcome = { code: null, stdout: '', stderr: '' };
  let reached = false;
  let working: Promise<void> | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    result.stdout += chunk.toString();
    if (reached || !moment?.test(result.stdout)) return;
    reached = true;
    working = Promise.resolve(meanwhile?.()).finally(() => signals.forEach((signal) => child.kill(signal)));
  });
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      Promise.resolve(working).then(() => resolve({ ...result, code }), reject);
    });
  });
}

let root: string;
let photos: string;
let settings: string;
const at = (...names: string[]) => join(root, ...names);

test.before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tessera-cli-'));
  photos = at('photos');
  settings = at('tiny.yaml');
  mkdirSync(photos);
  for (let i = 0; i < 12; i++) {
    const create = {
      width: 20,
      height: 16,
      channels: 3,
      background: { r: 20 * i, g: 90, b: 200 - 9 * i },
    } as const;
    await sharp({ create })
      .png()
      .toFile(join(photos, `${i}.png`));
  }
  writeFileSync(
    settings,
    `model:
  target: taming.models.vqgan.VQModel
  params:
    n_embed: 16
    embed_dim: 8
    ddconfig: { ch: 32, ch_mult: [1, 1], num_res_blocks: 0, attn_resolutions: [], resolution: 16, in_channels: 3,
      out_ch: 3, z_channels: 32, double_z: false }
    lossconfig:
      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator
      params: { disc_start: 0, disc_num_layers: 1, disc_ndf: 8 }
training: { steps: 2, batchSize: 2, threads: 1 }
`,
  );
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const vqgan = (out: string, ...more: string[]) => [
  'train',
  'vqgan',
  '-c',
  settings,
  '--data',
  photos,
  '--out',
  out,
  ...more,
];

/** One line that says what is wrong, the code of its kind, and nothing on the disk. */
function refused(t: ExecutionContext, outcome: Outcome, code: number, message: RegExp, out?: string): void {
  t.is(outcome.code, code, outcome.stderr);
  const said = outcome.stderr.split('\n').filter((line) => line.startsWith('error: '));
  t.is(said.length, 1, outcome.stderr);
  t.regex(said[0]!, message);
  t.notRegex(outcome.stderr, /^\s+at /m, 'no stack');
  if (out !== undefined) t.deepEqual(existsSync(out) ? readdirSync(out) : [], []);
}

test('both stages, reconstructions and samples', async (t) => {
  const out = at('runs');
  const first = await tessera(vqgan(out));
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /vqgan: \d+ images to train on, \d+ held out; .* parameters; cpu, 1 thread, float32/);
  t.regex(first.stdout, /vqgan {2}2\/2 {2}100% .*rec .*vq .*held-out .* dB {2}SSIM .* {2}codes/);
  t.regex(first.stdout, /next: npx tessera-torch train transformer --vqgan .*vqgan/);
  const run = join(out, 'vqgan');
  for (const file of ['config.yaml', 'metrics.jsonl', 'report.html', 'README.md'])
    t.true(existsSync(join(run, file)), file);
  t.notRegex(readFileSync(join(run, 'report.html'), 'utf8'), /src="(?!data:)|href=/, 'self-contained');

  const small = ['n_layer=1', 'n_head=2', 'n_embd=16'].map(
    (s) => `model.params.transformer_config.params.${s}`,
  );
  const stage2 = ['train', 'transformer', '--vqgan', run, '--out', out, '--steps', '2', 'training.threads=1'];
  const [second, before] = await Promise.all([
    tesseraHere([...stage2, ...small]),
    tesseraHere(['reconstruct', run, photos, '--out', at('before'), '--json']),
  ]);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /transformer {2}2\/2 {2}100% .*loss .*held-out/);
  t.is(before.code, 0, before.stderr);
  const records = before.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { picture: string; codes: number[] });
  t.is(records.length, 12);
  t.deepEqual(records[0]!.codes, [8, 10], 'an image keeps its aspect ratio');
  t.true(existsSync(records[11]!.picture));

  const sampled = at('samples');
  const [grid, wrong, classes] = await Promise.all([
    tesseraHere(['sample', join(out, 'transformer'), '--n', '3', '--grid', '--seed', '5', '--out', sampled]),
    tesseraHere(['sample', run]),
    tesseraHere(['sample', join(out, 'transformer'), '--class', 'cat']),
  ]);
  t.is(grid.code, 0, grid.stderr);
  const { exif } = await sharp(join(sampled, 'grid.png')).metadata();
  t.regex(exif!.toString('latin1'), /"command":"sample".*"seed":5/);
  t.like(JSON.parse(readFileSync(join(sampled, 'samples.json'), 'utf8')), { n: 3, seed: 5 });
  refused(t, wrong, 1, /is the run of a VQGAN.*npx tessera-torch train transformer --vqgan/);
  refused(t, classes, 2, /was trained without classes/);

  // Weights of another shape: the configuration was changed by hand.
  const config = join(run, 'config.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('n_embed: 16', 'n_embed: 17'));
  const shape = await tesseraHere(['reconstruct', run, photos, '--out', at('shape')]);
  refused(t, shape, 1, /does not match .*config\.yaml .*quantize\.embedding\.weight/, at('shape'));
});

test('a run in a folder that has one is refused; Ctrl-C saves, and the run goes on', async (t) => {
  const out = at('stopped');
  const stopped = await tessera(
    [...vqgan(out, '--name', 'a'), 'training.steps=100000', 'training.logEvery=2'],
    { at: /vqgan {2}2\// },
  );
  t.is(stopped.code, 130, stopped.stderr);
  t.regex(stopped.stdout, /resume it with: npx tessera-torch train vqgan --resume .*a/);
  const run = join(out, 'a');
  const checkpoints = readdirSync(join(run, 'checkpoints'));
  t.true(checkpoints.every((name) => /^step-\d{7}$/.test(name)));
  const last = Number(checkpoints.sort().at(-1)!.slice(5));
  const steps = `training.steps=${last + 1}`;
  const [again, change] = await Promise.all([
    tesseraHere(vqgan(out, '--name', 'a')),
    tesseraHere(['train', 'vqgan', '--resume', run, 'training.seed=4']),
  ]);
  refused(t, again, 1, /already contains a run/);
  refused(t, change, 2, /training\.seed/);
  const resumed = await tesseraHere(['train', 'vqgan', '--resume', 'latest', '--out', out, steps, '--json']);
  t.is(resumed.code, 0, resumed.stderr);
  const events = resumed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; step: number });
  t.like(events[0], { type: 'start', step: last });
  t.like(events.at(-1), { type: 'end', step: last + 1, interrupted: false });
});

test('two runs in one folder at a time are refused; a second Ctrl-C ends at once, and loses no checkpoint', async (t) => {
  const out = at('live');
  const run = join(out, 'a');
  let others: Outcome[] = [];
  const impatient = await tessera(
    [...vqgan(out, '--name', 'a'), 'training.steps=100000', 'training.logEvery=2', 'training.saveEvery=2'],
    {
      // Step 2 has been saved.
      at: /vqgan {2}4\//,
      meanwhile: async () => {
        const resume = ['train', 'vqgan', '--resume', run];
        others = await Promise.all([tesseraHere(resume), tesseraHere(vqgan(out, '--name', 'a'))]);
      },
      signals: ['SIGINT', 'SIGTERM'],
    },
  );
  refused(t, others[0]!, 1, /is being trained by process \d+/);
  refused(t, others[1]!, 1, /already contains a run/);
  t.is(impatient.code, 130, impatient.stderr);
  t.notRegex(impatient.stdout, /stopped after/);
  const { step } = await newestCheckpoint(run);
  t.true(step >= 2 && step % 2 === 0);
  const steps = `training.steps=${step + 1}`;
  t.is((await tesseraHere(['train', 'vqgan', '--resume', run, steps])).code, 0);
});

test('images that cannot be used', async (t) => {
  mkdirSync(at('empty'));
  mkdirSync(at('spoilt'));
  for (let i = 0; i < 6; i++) writeFileSync(at('spoilt', `${i}.png`), readFileSync(join(photos, `${i}.png`)));
  writeFileSync(at('spoilt', 'bad.jpg'), 'not a jpeg');
  const out = at('none');
  const train = (data: string, ...more: string[]) =>
    tesseraHere(['train', 'vqgan', '-c', settings, '--data', data, '--out', out, ...more]);
  const [empty, missing, stop, skip] = await Promise.all([
    train(at('empty')),
    train(at('nowhere')),
    train(at('spoilt'), 'data.onError=stop'),
    tesseraHere(['train', 'vqgan', '-c', settings, '--data', at('spoilt'), '--dry-run']),
  ]);
  refused(t, empty, 1, /empty: there are no images here/, out);
  refused(t, missing, 1, /nowhere: there is no such folder/, out);
  refused(t, stop, 1, /bad\.jpg/, out);
  t.is(skip.code, 0, skip.stderr);
  t.regex(skip.stderr, /left out .*bad\.jpg: /);
});

test('settings and places that cannot be used', async (t) => {
  const out = at('wrong');
  writeFileSync(at('file'), '');
  const [typo, size, nothing, place, dry, preset] = await Promise.all([
    tesseraHere([...vqgan(out), 'training.stpes=3']),
    tesseraHere([...vqgan(out), 'data.size=15']),
    tesseraHere(['train', 'transformer', '--data', photos, '--out', out]),
    tesseraHere(vqgan(at('file'))),
    tesseraHere([...vqgan(out), '--dry-run']),
    tesseraHere(['train', 'vqgan', '--data', photos, '--print-config', '--minutes', '7']),
  ]);
  refused(t, typo, 2, /unknown key "training\.stpes"; did you mean "training\.steps"\?/, out);
  refused(t, size, 2, /data\.size must be a multiple of 2.*15/, out);
  refused(t, nothing, 2, /--vqgan RUN/, out);
  refused(t, place, 1, /file.*not a folder/);
  t.is(dry.code, 0, dry.stderr);
  t.regex(dry.stdout, /162,612 parameters, taming/);
  t.deepEqual(existsSync(out) ? readdirSync(out) : [], []);
  t.regex(preset.stdout, /minutes: 7[^]*$/);
  t.notRegex(preset.stdout, /steps:/);
});

test('every setting can be printed before there are images', async (t) => {
  const named = at('named.yaml');
  writeFileSync(named, 'model: { params: { first_stage_config: { params: { ckpt_path: first.ckpt } } } }\n');
  const [first, second, third] = await Promise.all([
    tesseraHere(['train', 'vqgan', '--print-config', 'training.seed=5']),
    tesseraHere(['train', 'transformer', '--print-config', '--condition-dropout', '0.1']),
    tesseraHere(['train', 'transformer', '--data', 'photos', '-c', named, '--print-config']),
  ]);
  t.is(first.code, 0, first.stderr);
  t.like(parse(first.stdout), { data: { path: 'path/to/images', size: 64 }, training: { seed: 5 } });
  t.is(second.code, 0, second.stderr);
  t.like(parse(second.stdout), { training: { vqgan: 'runs/vqgan', views: 1, conditionDropout: 0.1 } });
  // A first stage in a file, as the reference names it, needs no run.
  t.is(third.code, 0, third.stderr);
  t.false('vqgan' in (parse(third.stdout) as { training: object }).training);
});

test('a folder that may not be written to', async (t) => {
  const folder = at('locked');
  mkdirSync(folder, { mode: 0o555 });
  // Root writes wherever it likes, unless that privilege is taken from it.
  const through = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override'] : [];
  const outcome = await tessera(vqgan(join(folder, 'runs')), { through });
  refused(t, outcome, 1, /locked.*permission denied/);
  t.deepEqual(readdirSync(folder), []);
});

test('a full disk: one line, and what was there before is intact', async (t) => {
  const disk = at('disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    t.pass('no small file system can be mounted here');
    return;
  }
  try {
    refused(t, await tesseraHere(vqgan(join(disk, 'runs'))), 1, /no space is left on the disk/);
    t.deepEqual(existsSync(join(disk, 'runs')) ? readdirSync(join(disk, 'runs')) : [], []);
  } finally {
    execFileSync('umount', [disk]);
  }
});
