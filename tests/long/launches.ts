/**
 * `npm run test:long -- launches [KILLS]`: the same run of a first stage in two processes, started in several ways, ends
 * with the same weights, bit for bit: by `tessera launch`; killed at random moments (ten by default), of a random process
 * with SIGKILL, which ends the other with an error, and resumed each time; by the `torchrun` of a Python with PyTorch; and
 * by hand in two network namespaces with an address each. The last two are left out, and said to be, where there is no
 * such Python or no right to make namespaces. Then runs of both stages in four processes, whose checkpoints are those of
 * one process with the joint batch, but for rounding. Seeded.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '../../src/data/seeded-random.js';
import { packageRoot } from '../../src/files/package.js';
import { newestCheckpoint } from '../../src/index.js';
import { listCheckpoints } from '../../src/runs/checkpoint.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { transformerConfig, vqganConfig } from '../training/tiny.js';
import { rankOf } from './rank-of.js';

const kills = Number(process.argv[2] ?? 10);
const STEPS = 60;
const main = join(packageRoot(), 'dist', 'cli', 'main.js');
const root = mkdtempSync(join(tmpdir(), 'tessera-launches-'));
const python = process.env['TESSERA_PYTHON'] ?? 'python3';
const env = { ...process.env, NO_COLOR: '1', OMP_NUM_THREADS: '1' };
let failed = false;

function check(ok: boolean, what: string): void {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}\n`);
  failed ||= !ok;
}

const { data: _, model, training } = vqganConfig({ steps: STEPS });
const config = join(root, 'config.json');
writeFileSync(
  config,
  JSON.stringify({ model, training: { ...training, lpips: 'off', threads: 1, saveEvery: 5, logEvery: 1 } }),
);
const images = ['--data', 'emoji', 'data.size=16', 'data.count=40'];
const runOf = (name: string) => join(root, name);
const fresh = (name: string) => ['train', 'vqgan', '-c', config, ...images, '--out', root, '--name', name];
/** The command that goes on with a run, if it has begun. */
const next = (name: string) =>
  existsSync(join(runOf(name), 'config.yaml')) ? ['train', 'vqgan', '--resume', runOf(name)] : fresh(name);

interface Ended {
  code: number | null;
  text: string;
}

/** Waits for processes, whose output is told as it comes. */
function ended(child: ChildProcess, onText: (text: string) => void = () => {}): Promise<Ended> {
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (more: Buffer) => {
      text += String(more);
      onText(text);
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

const launch = (args: readonly string[]) =>
  spawn(process.execPath, [main, 'launch', '--processes', '2', '--timeout', '60', '--', ...args], { env });

/** Returns what the weights and the optimizers of a run's last step are, and its step. */
async function stateOf(name: string): Promise<string> {
  const { step, path } = await newestCheckpoint(runOf(name));
  const bytes = ['model', 'optimizer'].map((file) => readFileSync(join(path, `${file}.safetensors`)));
  return [step, ...bytes.map((each) => createHash('sha256').update(each).digest('hex'))].join(' ');
}

async function same(name: string, how: string, { code, text }: Ended): Promise<void> {
  const found = code === 0 ? await stateOf(name) : null;
  check(found === expected, `${how}: exit code ${code}, ${found === expected ? 'equal' : 'other'} weights`);
  if (code !== 0) process.stdout.write(text);
}

const undisturbed = await ended(launch(fresh('undisturbed')));
check(undisturbed.code === 0, `undisturbed in two processes: exit code ${undisturbed.code}`);
if (undisturbed.code !== 0) process.stdout.write(undisturbed.text);
const expected = await stateOf('undisturbed');

await killed();
await byTorchrun();
await inNamespaces();
await asOne();
rmSync(root, { recursive: true });
process.exitCode = failed ? 1 : 0;

/** Kills a process at random moments, the first ones before a step, and resumes each time. */
async function killed(): Promise<void> {
  const random = new SeededRandom(4);
  let before = 0;
  for (let kill = 0; kill < kills; kill++) {
    const rank = random.integer(2);
    // So many steps after the last one of which a checkpoint tells.
    const after = kill === 0 ? 0 : random.integer(Math.floor((2 * STEPS) / kills));
    const child = launch(next('killed'));
    let done = false;
    const { code, text } = await ended(child, (printed) => {
      const step = Math.max(-1, ...[...printed.matchAll(/vqgan {2}(\d+)\//g)].map(([, at]) => Number(at)));
      if (done || step < Math.min(before + after, STEPS - 1)) return;
      done = true;
      process.kill(rankOf(child.pid!, rank), 'SIGKILL');
    });
    const named = new RegExp(`error: distributed\\.\\w+: .*\\(rank ${1 - rank} of 2,`).test(text);
    const said = text.includes(`error: process ${rank} of 2 ended by SIGKILL`);
    before = (await newestCheckpoint(runOf('killed'))).step;
    check(
      code === 1 && named && said,
      `kill ${kill + 1}, of process ${rank}: the other ends with a named error, exit code ${code}; step ${before} is saved`,
    );
    if (!named || !said) process.stdout.write(text);
  }
  await same('killed', `resumed after ${kills} kills`, await ended(launch(next('killed'))));
}

/** Trains both stages in four processes, and in one with the joint batch; float32 rounds sums of other parts otherwise. */
async function asOne(): Promise<void> {
  const most = 1e-4;
  // With Adam's usual eps a gradient that is nothing but rounding moves a weight as far as any other.
  const settings = { learningRate: 1e-3, optimizer: { target: 'Adam', params: { eps: 1e-2 } } };
  const own = { ...settings, steps: 20, saveEvery: 10, keep: 9 };
  const params = { n_layer: 2, n_head: 2, n_embd: 32, embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 };
  const gpt = { target: 'taming.modules.transformer.mingpt.GPT', params };
  const second = transformerConfig(runOf('vqgan-1')).model;
  const stages = {
    vqgan: { model, training: { ...own, lpips: 'off' } },
    transformer: {
      model: { ...second, params: { ...second.params, pkeep: 1, transformer_config: gpt } },
      training: { ...own, vqgan: runOf('vqgan-1'), accumulate: 2 },
    },
  };
  for (const [stage, content] of Object.entries(stages)) {
    const file = join(root, `${stage}.json`);
    writeFileSync(file, JSON.stringify({ ...content, training: { ...training, ...content.training } }));
    for (const processes of [1, 4]) {
      const batch = `training.batchSize=${4 / processes}`;
      const args = [
        'train',
        stage,
        '-c',
        file,
        ...images,
        '--out',
        root,
        '--name',
        `${stage}-${processes}`,
        batch,
      ];
      const launcher = ['launch', '--processes', String(processes), '--timeout', '60', '--'];
      const child = spawn(process.execPath, [main, ...(processes > 1 ? launcher : []), ...args], { env });
      const { code, text } = await ended(child);
      if (code !== 0) process.stdout.write(text);
    }
    const [alone = [], joint = []] = [1, 4].map((n) => listCheckpoints(runOf(`${stage}-${n}`)));
    const [before, after] = [alone.find(({ step }) => step === 10)?.path, alone.at(-1)?.path];
    const apart =
      after && joint.length > 0
        ? await differenceOf([after, joint.at(-1)!.path], ['model', 'optimizer'])
        : NaN;
    const moved = before && after ? await differenceOf([before, after], ['model']) : NaN;
    check(
      apart < most && moved > 50 * most,
      `${stage} in four processes and in one: checkpoints differ by ${apart.toExponential(1)}, by ${moved.toExponential(1)} from step 10 to ${alone.at(-1)?.step}`,
    );
  }
}

/** Returns the largest difference in files of two checkpoints, relative to the largest element of a tensor. */
async function differenceOf(checkpoints: readonly string[], files: readonly string[]): Promise<number> {
  let most = 0;
  for (const name of files) {
    const [a, b] = await Promise.all(
      checkpoints.map((path) => loadCheckpoint(join(path, `${name}.safetensors`))),
    );
    for (const key of a!.tensors.keys()) {
      const [x, y] = [a!, b!].map(({ tensors }) => tensors.get(key)!.to('float64'));
      const scale = x!.abs().max().item() + 1e-3;
      if (x!.numel() > 1) most = Math.max(most, x!.sub(y!).abs().max().item() / scale);
    }
  }
  return most;
}

/** Starts the processes by PyTorch's own launcher. */
async function byTorchrun(): Promise<void> {
  const { status } = spawnSync(python, ['-c', 'import torch.distributed.run']);
  if (status !== 0) return console.log('left out: torchrun, as there is no Python with PyTorch');
  const run = [
    '-m',
    'torch.distributed.run',
    '--no-python',
    '--nproc-per-node',
    '2',
    '--master-port',
    '29571',
  ];
  const child = spawn(python, [...run, process.execPath, main, ...fresh('torchrun')], { env });
  await same('torchrun', 'started by torchrun', await ended(child));
}

/** Starts a process in each of two network namespaces, joined by a pair of virtual interfaces. */
async function inNamespaces(): Promise<void> {
  const names = [0, 1].map((rank) => `tessera-${process.pid}-${rank}`);
  const ip = (...args: string[]) => spawnSync('ip', args).status === 0;
  const addresses = ['10.213.0.1', '10.213.0.2'];
  try {
    const made =
      names.every((name) => ip('netns', 'add', name)) &&
      ip(
        'link',
        'add',
        'tessera0',
        'netns',
        names[0]!,
        'type',
        'veth',
        'peer',
        'tessera1',
        'netns',
        names[1]!,
      ) &&
      names.every((name, rank) => {
        const inside = (...args: string[]) => ip('-n', name, ...args);
        const link = `tessera${rank}`;
        return (
          inside('addr', 'add', `${addresses[rank]}/24`, 'dev', link) &&
          inside('link', 'set', link, 'up') &&
          inside('link', 'set', 'lo', 'up')
        );
      });
    if (!made) return console.log('left out: network namespaces, which this user may not make');
    const children = names.map((name, rank) => {
      const place = { RANK: rank, LOCAL_RANK: 0, WORLD_SIZE: 2, LOCAL_WORLD_SIZE: 1 };
      const meeting = { MASTER_ADDR: addresses[0], MASTER_PORT: 29572, GLOO_SOCKET_IFNAME: `tessera${rank}` };
      const variables = Object.entries({ ...place, ...meeting }).map(([key, value]) => `${key}=${value}`);
      const command = ['netns', 'exec', name, 'env', ...variables, process.execPath, main];
      return ended(spawn('ip', [...command, ...fresh('namespaces')], { env }));
    });
    const results = await Promise.all(children);
    const code = Math.max(...results.map((result) => result.code ?? 1));
    const text = results.map((result) => result.text).join('\n');
    await same('namespaces', 'in two network namespaces', { code, text });
  } finally {
    for (const name of names) ip('netns', 'del', name);
  }
}
