/**
 * Sampling through a sliding window of 16 × 16 codes: as the reference does, a whole window for each code in turn; only
 * the part of the window before the code; the same in a wavefront; and both with keys and values kept while the window
 * stands still. One image, a GPT with random weights conditioned on a map, float32. Rounds alternate in one process, and
 * each way must draw the same codes.
 *
 *     npm run bench -- window [height] [width] [rounds] [batch]
 *
 * Writes bench-results/window.json: steps, tokens that go through the model, milliseconds, and processor time, which other
 * programs disturb less, with ratios to the reference's loop. On a CPU a wavefront computes as much as its prefixes one
 * after another.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GPT, Net2NetTransformer, sampleWindowed, torch, VQModel } from 'tessera-torch';
import { median } from './arms.js';

const [height = 20, width = 32, rounds = 3, batch = 1] = process.argv.slice(2).map(Number);
const window = 16;
const sizes = { vocabSize: 256, blockSize: 2 * window ** 2, nLayer: 2, nHead: 2, nEmbd: 64 };

const ways = {
  'whole windows': { wholeWindow: true, order: 'sequential' },
  'prefixes only': { order: 'sequential', cacheBytes: 0 },
  wavefront: { cacheBytes: 0 },
  'prefixes, kept': { order: 'sequential' },
  'wavefront, kept': {},
} as const;
type Way = keyof typeof ways;
const names = Object.keys(ways) as Way[];

torch.manualSeed(0);
const backbone = { ch: 32, chMult: [1], numResBlocks: 0, attnResolutions: [], resolution: window };
const ddconfig = { ...backbone, inChannels: 3, outCh: 3, zChannels: 8, doubleZ: false };
const net = new Net2NetTransformer({
  firstStage: new VQModel({ ddconfig, nEmbed: sizes.vocabSize, embedDim: 8 }),
  prior: new GPT(sizes),
  condition: '__is_first_stage__',
}).eval();
let fed = 0;
const forward = net.transformer.forward.bind(net.transformer);
net.transformer.forward = (tokens, options) => {
  fed += tokens.numel();
  return forward(tokens, options);
};
const condition = torch.randint(0, sizes.vocabSize, [batch, height, width]);

/** Samples once. The codes are read, which ends the work on any device. */
function measure(way: Way) {
  let steps = 0;
  fed = 0;
  const start = performance.now();
  const before = process.cpuUsage();
  const codes = torch.scope(() => {
    const onStep = (step: { steps: number }) => (steps = step.steps);
    return sampleWindowed(net, condition, { ...ways[way], seed: 1, onStep })
      .flatten()
      .tolist() as number[];
  });
  const { user, system } = process.cpuUsage(before);
  return { steps, fed, codes, milliseconds: performance.now() - start, processor: (user + system) / 1000 };
}

type Sample = ReturnType<typeof measure>;
const taken = Object.fromEntries(names.map((way) => [way, [] as Sample[]])) as Record<Way, Sample[]>;
let different = 0;
for (let round = 0; round < rounds; round++) {
  const drawn: number[][] = [];
  // Each round begins with another way.
  for (let k = 0; k < names.length; k++) {
    const way = names[(round + k) % names.length]!;
    const sample = measure(way);
    taken[way].push(sample);
    drawn.push(sample.codes);
  }
  const [first, ...others] = drawn;
  different = Math.max(
    different,
    ...others.map((codes) => codes.filter((code, i) => code !== first![i]).length),
  );
}

/** Median of a time, and of its ratio to that of whole windows in the same round, with the spread of the ratios. */
function compared(way: Way, time: (sample: Sample) => number) {
  const ratios = taken[way].map((sample, round) => time(taken['whole windows'][round]!) / time(sample));
  const [lowest, highest] = [Math.min(...ratios), Math.max(...ratios)];
  return { milliseconds: median(taken[way].map(time)), faster: median(ratios), lowest, highest };
}

const results = names.map((way) => ({
  way,
  steps: taken[way][0]!.steps,
  tokens: taken[way][0]!.fed,
  elapsed: compared(way, ({ milliseconds }) => milliseconds),
  processor: compared(way, ({ processor }) => processor),
}));
const threads = torch.getNumThreads();
console.log(`${height}×${width} codes, batch ${batch}, ${rounds} rounds on ${threads} threads`);
const shown = ({ milliseconds, faster, lowest, highest }: ReturnType<typeof compared>) =>
  `${milliseconds.toFixed(0).padStart(8)} ms ${faster.toFixed(2)}× (${lowest.toFixed(2)}–${highest.toFixed(2)})`;
for (const { way, steps, tokens, elapsed, processor } of results) {
  console.log(
    `${way.padEnd(15)}${String(steps).padStart(5)} steps,${String(tokens).padStart(8)} tokens, elapsed${shown(elapsed)}, processor${shown(processor)}`,
  );
}
console.log(`codes that differ between the ways: ${different}`);
mkdirSync('bench-results', { recursive: true });
const path = join('bench-results', 'window.json');
const versions = { node: process.version, libtorch: torch.version };
const set = { grid: [height, width], window, batch, rounds, threads, model: sizes };
writeFileSync(
  path,
  JSON.stringify({ date: new Date().toISOString(), versions, ...set, different, results }, null, 2),
);
console.log(`written to ${path}`);
