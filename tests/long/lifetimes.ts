/**
 * `npm run test:long -- lifetimes`: tensors used after disposal, after their scope's end, disposed twice, or taken from another
 * thread give a typed error, never another tensor; processes exit and workers end at any moment without a signal; a
 * loop that never disposes stays within bounds. Takes about two minutes; seeded.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { torch } from 'tessera-torch';

const MISUSES = 100_000;
const ENDS = 50;
const LOOP = 200_000;
const LOOP_LIMIT = 400e6;
const SELF = fileURLToPath(import.meta.url);
const THREAD = new URL('computing-thread.mjs', import.meta.url);

/** Reproducible numbers in [0, 1). */
function randomStream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

type Use = (tensor: torch.Tensor) => unknown;
const uses: Use[] = [
  (t) => t.add(1),
  (t) => torch.ones([2]).add(t),
  (t) => torch.cat([t, t]),
  (t) => t.shape,
  (t) => t.item(),
  (t) => t.dispose(),
  (t) => t.backward(),
  (t) => t.grad,
  (t) => torch.grad([t], [t]),
  (t) => (torch.ones([1]).data = t),
  (t) => t.at(0),
  (t) => torch.keep(t),
  (t) => t.toTypedArray(),
  (t) => torch.callOperator('aten::index', 'Tensor', [torch.ones([2]), [t]]),
];

/** A tensor object that must not work any more, in one of the ways this can come about. */
function deadTensor(random: () => number, foreign: readonly number[]): torch.Tensor {
  const kind = Math.floor(random() * 4);
  if (kind === 0) {
    const tensor = torch.full([1], 7);
    tensor.dispose();
    return tensor;
  }
  if (kind === 1) {
    let tensor!: torch.Tensor;
    torch.scope(() => void (tensor = torch.full([1], 7)));
    return tensor;
  }
  if (kind === 2) {
    // The object keeps its old handle, as a copy of it would.
    const tensor = torch.full([1], 7);
    const { handle } = tensor;
    tensor.dispose();
    return objectFor(handle);
  }
  return objectFor(foreign[Math.floor(random() * foreign.length)]!);
}

function objectFor(handle: number): torch.Tensor {
  return Object.assign(Object.create(torch.Tensor.prototype) as torch.Tensor, { handle });
}

async function proveMisuse(): Promise<void> {
  const foreign = await foreignHandles();
  const random = randomStream(1);
  const bystanders = Array.from({ length: 64 }, (_, i) => torch.full([1], i));
  const errors = new Map<string, number>();
  for (let i = 0; i < MISUSES; i++) {
    torch.scope(() => {
      const dead = deadTensor(random, foreign);
      // New tensors move into the slots that were freed: a stale handle that matched would reach one of them.
      const fresh = torch.full([1], -1);
      const use = uses[Math.floor(random() * uses.length)]!;
      let reached: unknown;
      try {
        reached = use(dead);
      } catch (error) {
        if (!(error instanceof torch.TorchError)) throw error;
        errors.set(error.name, (errors.get(error.name) ?? 0) + 1);
        if (fresh.item() !== -1) throw new Error(`use ${i} changed another tensor`);
        return;
      }
      throw new Error(`use ${i} of a dead tensor worked: ${String(use)} gave ${String(reached)}`);
    });
  }
  bystanders.forEach((tensor, i) => {
    if (tensor.item() !== i) throw new Error(`bystander ${i} was changed`);
  });
  const counts = [...errors].map(([name, count]) => `${count} ${name}`).join(', ');
  console.log(`misuse: ${MISUSES} uses of dead and foreign tensors, all refused: ${counts}`);
}

/** Handles that are alive in another thread. */
async function foreignHandles(): Promise<number[]> {
  const worker = new Worker(THREAD, { workerData: 'handles' });
  const handles = await new Promise<number[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  worker.unref();
  return handles;
}

function compute(): void {
  torch.scope(() => {
    const weight = torch.randn([64, 64], { requiresGrad: true });
    const x = torch.randn([64, 64]);
    x.matmul(weight).relu().matmul(weight).sum().backward();
  });
}

function proveLoop(): void {
  torch.zeros([16384]);
  const start = process.memoryUsage().rss;
  let peak = start;
  for (let i = 0; i < LOOP; i++) {
    torch.zeros([16384]);
    if (i % 500 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  const above = peak - start;
  if (above > LOOP_LIMIT) throw new Error(`the loop rose ${(above / 1e6).toFixed(0)} MB above its start`);
  console.log(
    `adoption: ${LOOP} tensors of 64 KB outside any scope, ${(above / 1e6).toFixed(0)} MB above start`,
  );
}

/** A child that computes, with a worker that computes too every other time, and exits in the middle. */
async function proveExits(): Promise<void> {
  const random = randomStream(2);
  for (let i = 0; i < ENDS; i++) {
    const role = `exit:${Math.floor(random() * 300)}:${i % 2}`;
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      const child = spawn(process.execPath, [...process.execArgv, SELF, role], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      child.once('close', (c, s) => resolve([c, s]));
    });
    if (code !== 0) throw new Error(`exit ${i} (${role}) ended with code ${code}, signal ${signal}`);
  }
  console.log(`exits: ${ENDS} processes ended while computing, no signal`);
}

async function proveWorkers(): Promise<void> {
  const random = randomStream(3);
  for (let i = 0; i < ENDS; i++) {
    const worker = new Worker(THREAD, { workerData: 'compute' });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const until = Date.now() + random() * 50;
    while (Date.now() < until) compute();
    await worker.terminate();
  }
  compute();
  console.log(`workers: ${ENDS} terminated while computing, no signal`);
}

if (process.argv[2]?.startsWith('exit:')) {
  const [, delay, withWorker] = process.argv[2].split(':');
  if (withWorker === '1') new Worker(THREAD, { workerData: 'compute' });
  const until = Date.now() + Number(delay);
  while (Date.now() < until) compute();
  setTimeout(() => process.exit(0), Number(delay) % 7);
} else {
  await proveMisuse();
  proveLoop();
  await proveWorkers();
  await proveExits();
  process.exit(0);
}
