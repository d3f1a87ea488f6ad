/**
 * `npm run test:long -- resume [moments]`: training of either stage, ended by SIGINT, SIGTERM and SIGKILL at random moments
 * (ten of each by default), leaves a complete checkpoint every time; the resumed run's losses, weights and optimizers
 * equal those of the run that nobody disturbed, bit for bit. SIGINT and SIGKILL are also tried with the engine's settings
 * on: accumulation, clipping, averaged weights, a schedule in steps, and patience, whose count is compared. Seeded; about
 * twenty minutes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  interruptible,
  listCheckpoints,
  newestCheckpoint,
  readMetrics,
  TransformerTrainer,
  VqganTrainer,
} from 'tessera-torch';

const SELF = fileURLToPath(import.meta.url);
const STEPS = 40;
const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const trainers = { vqgan: VqganTrainer, transformer: TransformerTrainer };
type Stage = keyof typeof trainers;

/** Settings that a run is tried with, and the signals that end it. */
const arms = {
  plain: { signals, training: { batchSize: 4 } },
  engine: {
    signals: ['SIGINT', 'SIGKILL'],
    training: {
      batchSize: 2,
      accumulate: 2,
      clipNorm: 0.5,
      ema: 0.9,
      schedule: 'cosine',
      warmup: 5,
      finalLearningRate: 0.1,
      // Never reached: that would leave fewer steps to be killed in.
      patience: 30,
      keepBest: 2,
      tensorboard: true,
      csv: true,
    },
  },
} as const;
type Arm = keyof typeof arms;

function configOf(stage: Stage, arm: Arm, vqgan: string) {
  const size = 16;
  const data = { path: 'scenes', size, count: 40, heldOut: 8 };
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

async function prove(moments: number): Promise<number> {
  const root = mkdtempSync(join(tmpdir(), 'tessera-resume-'));
  const random = randomStream(4);
  const failures = new Failures();
  const vqgan = join(root, 'vqgan-plain');
  for (const arm of ['plain', 'engine'] as const) {
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

const [mode = '10', stage, arm, run = '', vqgan = ''] = process.argv.slice(2);
if (mode === 'train') await train(stage as Stage, arm as Arm, run, vqgan);
else process.exitCode = (await prove(Number(mode))) === 0 ? 0 : 1;
