/**
 * `npm run test:long -- resume [moments [arm]]`: training of either stage, ended by SIGINT, SIGTERM and SIGKILL at random
 * moments (ten of each by default), leaves a complete checkpoint every time; the resumed run's losses, weights and
 * optimizers equal those of the run that nobody disturbed, bit for bit. Arms: `plain`; `engine`, SIGINT and SIGKILL with
 * accumulation, clipping, averaged weights, a schedule in steps, and patience, whose count is compared; `streams`, SIGKILL
 * with the same settings but patience, the first stage on packed images in buckets of three proportions, the second on the
 * tokens of three views of each image. Default: all. Seeded; about twenty minutes.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import {
  interruptible,
  listCheckpoints,
  newestCheckpoint,
  packImages,
  readMetrics,
  TransformerTrainer,
  VqganTrainer,
} from 'tessera-torch';

const SELF = fileURLToPath(import.meta.url);
const STEPS = 40;
const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const trainers = { vqgan: VqganTrainer, transformer: TransformerTrainer };
type Stage = keyof typeof trainers;

const engine = {
  batchSize: 2,
  accumulate: 2,
  clipNorm: 0.5,
  ema: 0.9,
  schedule: 'cosine',
  warmup: 5,
  finalLearningRate: 0.1,
  keepBest: 2,
  tensorboard: true,
  csv: true,
};

/** Settings that a run is tried with, and the signals that end it. */
const arms = {
  plain: { signals, training: { batchSize: 4 } },
  engine: {
    signals: ['SIGINT', 'SIGKILL'],
    // Patience is never at its end: that would leave fewer steps to be killed in.
    training: { ...engine, patience: 30 },
  },
  streams: { signals: ['SIGKILL'], training: engine },
} as const;
type Arm = keyof typeof arms;

function configOf(stage: Stage, arm: Arm, vqgan: string) {
  const size = 16;
  const data = dataOf(stage, arm, dirname(vqgan));
  const shared = {
    steps: STEPS,
    ...arms[arm].training,
    threads: 1,
    device: 'cpu',
    logEvery: 1,
    saveEvery: 7,
    imagesEvery: 9,
  };
  const ddconfig = {
    ch: 32,
    ch_mult: [1, 1],
    num_res_blocks: 1,
    attn_resolutions: [],
    resolution: size,
    in_channels: 3,
    out_ch: 3,
    z_channels: 32,
    double_z: false,
    dropout: 0.1,
  };
  const loss = { disc_start: 11, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0 };
  if (stage === 'vqgan') {
    const lossconfig = {
      target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
      params: loss,
    };
    const params = { n_embed: 32, embed_dim: 8, ddconfig, lossconfig };
    return { model: { target: 'taming.models.vqgan.VQModel', params }, data, training: shared };
  }
  const gpt = { n_layer: 2, n_head: 2, n_embd: 64, embd_pdrop: 0.1, vocab_size: 32, block_size: 64 };
  const transformer = { target: 'taming.modules.transformer.mingpt.GPT', params: gpt };
  const params = { unconditional: true, pkeep: 0.9, transformer_config: transformer };
  const model = { target: 'taming.models.cond_transformer.Net2NetTransformer', params };
  return { model, data, training: { ...shared, vqgan, samples: 2 } };
}

function dataOf(stage: Stage, arm: Arm, root: string) {
  const shared = { size: 16, heldOut: 8 };
  if (arm !== 'streams') return { ...shared, path: 'scenes', count: 40 };
  if (stage === 'transformer') return { ...shared, path: join(root, 'tokens') };
  return { ...shared, path: join(root, 'packed'), buckets: ['16x16', '24x16', '16x24'] };
}

/** Makes images of three proportions, packs them, and encodes three views of each. */
async function makeStreams(root: string, vqgan: string): Promise<void> {
  const random = randomStream(7);
  const photos = join(root, 'photos');
  mkdirSync(photos);
  for (let i = 0; i < 48; i++) {
    const [width, height] = [
      [20, 20],
      [30, 20],
      [20, 30],
    ][i % 3] as [number, number];
    const pixels = Buffer.from(Array.from({ length: width * height * 3 }, () => Math.floor(256 * random())));
    const image = sharp(pixels, { raw: { width, height, channels: 3 } }).blur(2);
    await image.png().toFile(join(photos, `${i}.png`));
  }
  await packImages({ path: photos, size: 16 }, join(root, 'packed'));
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const views = ['--views', '3', '--flip', 'both', '--size', '16', '--to', 'safetensors', '--shard', '16'];
  execFileSync(process.execPath, [main, 'encode', vqgan, photos, '--out', join(root, 'tokens'), ...views]);
}

/** The child's work: a run from its beginning, or the rest of one. */
async function train(stage: Stage, arm: Arm, run: string, vqgan: string): Promise<void> {
  const { signal } = interruptible();
  const trainer = existsSync(join(run, 'config.yaml'))
    ? await trainers[stage].resume(run)
    : await trainers[stage].create(configOf(stage, arm, vqgan), { run });
  process.stdout.write('ready\n');
  let interrupted = false;
  for await (const event of trainer.run({ signal })) if (event.type === 'end') ({ interrupted } = event);
  process.exit(interrupted ? 130 : 0);
}

/** Starts a run and waits for its first line, which comes after the checkpoint of step 0. */
async function start(stage: Stage, arm: Arm, run: string, vqgan: string) {
  const args = ['--import=tsx', SELF, 'train', stage, arm, run, vqgan];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? String(code)));
  });
  await Promise.race([new Promise((resolve) => child.stdout?.once('data', resolve)), ended]);
  return { child, ended, begun: performance.now(), errors: () => errors };
}

/** Reproducible numbers in [0, 1). */
function randomStream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** All that must be equal: the losses of every step, the hashes of the last checkpoint's files, and the count of patience. */
async function outcome(run: string): Promise<string> {
  const losses = readMetrics(run).flatMap(({ step, losses: values, final }) =>
    final ? [] : [[step, values]],
  );
  const { step, state } = await newestCheckpoint(run);
  return JSON.stringify({ losses, step, files: state['files'], patience: state['patience'] });
}

/** Says what did not hold, and counts it. */
class Failures {
  count = 0;

  expect(holds: boolean, what: string): void {
    if (holds) return;
    this.count++;
    console.log(`FAILED: ${what}`);
  }
}

/** Ends a run by a signal after `milliseconds`, and checks that the resumed one ends as the undisturbed one did. */
async function disturb(
  { stage, arm, run, vqgan }: { stage: Stage; arm: Arm; run: string; vqgan: string },
  { signal, after, what }: { signal: (typeof signals)[number]; after: number; what: string },
  expected: string,
  failures: Failures,
): Promise<number> {
  const first = await start(stage, arm, run, vqgan);
  const timer = setTimeout(() => first.child.kill(signal), after);
  const code = await first.ended;
  clearTimeout(timer);
  const allowed = signal === 'SIGKILL' ? ['SIGKILL', '0'] : ['130', '0'];
  failures.expect(allowed.includes(code), `${what}: ended with ${code}: ${first.errors()}`);
  const newest = await newestCheckpoint(run).catch((error: Error) => ({ step: -1, message: error.message }));
  failures.expect(newest.step >= 0, `${what}: ${'message' in newest ? newest.message : ''}`);
  const last = listCheckpoints(run).at(-1)?.step ?? -1;
  failures.expect(newest.step === last, `${what}: the newest checkpoint is damaged`);
  const second = await start(stage, arm, run, vqgan);
  const resumed = await second.ended;
  failures.expect(resumed === '0', `${what}: the resumed run ended with ${resumed}: ${second.errors()}`);
  const same = (await outcome(run).catch(String)) === expected;
  failures.expect(same, `${what}: resumed losses or weights differ`);
  const partial = readdirSync(join(run, 'checkpoints')).filter((name) => name.startsWith('.'));
  const clean = partial.length === 0 && !existsSync(join(run, 'run.lock'));
  failures.expect(clean, `${what}: left ${partial.join(', ')}`);
  rmSync(run, { recursive: true, force: true });
  return last;
}

async function prove(moments: number, chosen: readonly Arm[]): Promise<number> {
  const root = mkdtempSync(join(tmpdir(), 'tessera-resume-'));
  const random = randomStream(4);
  const failures = new Failures();
  const vqgan = join(root, 'vqgan-plain');
  // The second stages need a first one.
  if (!chosen.includes('plain')) await (await start('vqgan', 'plain', vqgan, vqgan)).ended;
  for (const arm of chosen) {
    if (arm === 'streams') await makeStreams(root, vqgan);
    for (const stage of ['vqgan', 'transformer'] as const) {
      const whole = join(root, `${stage}-${arm}`);
      const undisturbed = await start(stage, arm, whole, vqgan);
      const end = await undisturbed.ended;
      const duration = performance.now() - undisturbed.begun;
      failures.expect(end === '0', `${stage}, ${arm}: ended with ${end}: ${undisturbed.errors()}`);
      const expected = await outcome(whole);
      for (const signal of arms[arm].signals) {
        const atSteps: number[] = [];
        for (let i = 0; i < moments; i++) {
          const run = join(root, `${stage}-${arm}-${signal}-${i}`);
          const what = `${stage}, ${arm}, ${signal} number ${i + 1}`;
          const how = { signal, after: random() * 0.9 * duration, what };
          atSteps.push(await disturb({ stage, arm, run, vqgan }, how, expected, failures));
        }
        console.log(
          `${stage}, ${arm}: ${signal} ${moments} times; went on from steps ${atSteps.join(', ')} of ${STEPS}`,
        );
      }
    }
  }
  rmSync(root, { recursive: true, force: true });
  console.log(
    failures.count === 0 ? 'all resumed runs equal the undisturbed ones' : `${failures.count} failures`,
  );
  return failures.count;
}

const [mode = '10', one, arm, run = '', vqgan = ''] = process.argv.slice(2);
const all = Object.keys(arms) as Arm[];
if (mode === 'train') await train(one as Stage, arm as Arm, run, vqgan);
else process.exitCode = (await prove(Number(mode), one ? [one as Arm] : all)) === 0 ? 0 : 1;
