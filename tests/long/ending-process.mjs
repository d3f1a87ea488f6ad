// A process of exits.ts: computes for a while with tensors of every kind alive, then ends as it is told.
import { Worker } from 'node:worker_threads';
import { loadCheckpoint, saveSafetensors, torch } from 'tessera-torch';
import { busy } from './busy-work.mjs';

const { way, place, kinds, delay, workers, checkpoint, output } = JSON.parse(process.argv[2]);

const ends = {
  exit: () => process.exit(40),
  error() {
    throw new Error('meant to end here');
  },
  rejection: () => void Promise.reject(new Error('meant to end here')),
  signal: () => {},
  natural: () => void (process.exitCode = 42),
};
const end = ends[way];

// Where the end comes: between two turns of the event loop, or deep inside a call.
const places = {
  turn: () => end(),
  scope: () => torch.scope(() => torch.scope(() => (torch.ones([100]), end()))),
  modes: () => torch.inferenceMode(() => torch.enableGrad(() => end())),
  hook() {
    const x = torch.ones([100], { requiresGrad: true });
    x.registerHook(() => end());
    x.mul(2).sum().backward();
  },
  customFunction() {
    const ending = torch.customFunction({
      forward: (_, x) => x.mul(2),
      backward: (_, gradient) => (end(), gradient),
    });
    ending(torch.ones([100], { requiresGrad: true }))
      .sum()
      .backward();
  },
  recomputed() {
    let calls = 0;
    const x = torch.ones([100], { requiresGrad: true });
    torch
      .checkpoint((y) => (calls++ > 0 && end(), y.mul(2)), [x])
      .sum()
      .backward();
  },
  reading() {
    void loadCheckpoint(checkpoint).then(({ all }) => [...all.values()]);
    setTimeout(() => end(), delay % 3);
  },
  writing() {
    void saveSafetensors(output, { weight: torch.ones([1 << 18]), other: torch.ones([7]) });
    setTimeout(() => end(), delay % 3);
  },
};

// Alive to the end: owned by the garbage collector, taken out of scopes, in a scope, in a graph with a hook, a generator.
const alive = torch.scope(() => {
  const x = torch.ones([16], { requiresGrad: true });
  const graph = x.mul(2).add(torch.ones([16]));
  graph.registerHook((gradient) => gradient.mul(2));
  return { graph: torch.keep(graph), x, generator: new torch.Generator().manualSeed(1) };
});
const adopted = Array.from({ length: 100 }, (_, i) => torch.ones([i + 1]));

for (let i = 0; i < workers; i++) {
  const thread = new Worker(new URL('busy-thread.mjs', import.meta.url), {
    workerData: { kinds, scoped: i === 0 },
  });
  thread.unref();
}
if (way === 'signal') process.on('SIGTERM', () => process.exit(41));

const until = Date.now() + delay;
let turn = 0;
function next() {
  busy(kinds, turn, turn++ % 4 !== 0);
  if (way !== 'signal' && Date.now() >= until) places[place]();
  else setImmediate(next);
}
next();
if (way === 'signal') setTimeout(() => process.kill(process.pid, 'SIGTERM'), delay);
process.on('exit', () => adopted.length + Object.keys(alive).length);
