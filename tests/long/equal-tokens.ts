/**
 * `npm run test:long -- equal-tokens [rows]`: every way of sampling draws the same tokens from the same seeds: with and
 * without the cache, by a `TokenSampler`, in batches of other sizes, and through windows in sequence or as a wavefront; for
 * conditions of each length, with guidance and without. In float64 all are equal. In float32, over more than 10,000 tokens
 * a condition, each first difference of a row is traced: the scores of its two tokens, computed in float64, are within
 * 1e-5 of each other; also of a model that is wide enough for its weights to be packed. bfloat16: how many rows differ.
 * One thread, seeded.
 */
import { Net2NetTransformer, VQModel, GPT } from '../../src/index.js';
import { rowNoise, seedWords } from '../../src/sampling/cell-noise.js';
import { guidanceScales, guidedLogits } from '../../src/sampling/guidance.js';
import { filterLogits } from '../../src/sampling/logits.js';
import { generate, TokenSampler, type GenerateOptions } from '../../src/sampling/sampler.js';
import { sampleWindowed, type SampleWindowedOptions } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';

const ROWS = Number(process.argv[2] ?? 160);
const [VOCABULARY, IMAGE, BATCH] = [64, 64, 16];
/** Share of the larger score by which two tokens of a traced difference may be apart. */
const BOUNDARY = 1e-5;

torch.setNumThreads(1);
let failures = 0;

/** A GPT as if trained: positions, norms and biases matter, and so do the scores of keys and tokens. */
function lively(dtype: 'float64' | 'float32' | 'bfloat16', width = 32): GPT {
  torch.manualSeed(6);
  const gpt = new GPT({
    vocabSize: VOCABULARY + 1,
    blockSize: 130,
    nLayer: 3,
    nHead: 2,
    nEmbd: width,
  }).eval();
  torch.noGrad(() => {
    for (const parameter of gpt.parameters()) {
      if (parameter.ndim === 1) torch.scope(() => void parameter.add_(torch.randn(parameter.shape).mul(0.3)));
      else parameter.mul_(5);
    }
    torch.keep(gpt.posEmb.normal_());
  });
  return gpt.to(dtype);
}

/** The prefix of each kind of condition, and what its rows are drawn with. */
const conditions: Record<string, { length: number; more: GenerateOptions }> = {
  'none or a class, one token': { length: 1, more: { topK: 40 } },
  'a class, guided': { length: 1, more: { guidance: 2, guidanceSchedule: 'cosine' } },
  'a layout or several conditions, twelve tokens': { length: 12, more: { topP: 0.9 } },
  'a map, a token for each code': { length: IMAGE, more: {} },
  'a map, guided, without repetition': { length: IMAGE, more: { guidance: 1.5, repetitionPenalty: 1.2 } },
};

interface Request {
  gpt: GPT;
  prefix: Tensor; // [R, L]
  seeds: number[];
  more: GenerateOptions;
}
type Way = (request: Request) => number[][];

const nullOf = ({ prefix, more }: Request) =>
  more.guidance === undefined
    ? {}
    : { nullCondition: torch.full(prefix.shape, VOCABULARY, { dtype: 'int64' }) };

/** Draws the rows in batches of `size`. */
const batched =
  (size: number, draw: (request: Request) => Tensor): Way =>
  (request) =>
    torch.scope(() => {
      const rows: number[][] = [];
      for (let first = 0; first < request.seeds.length; first += size) {
        const count = Math.min(size, request.seeds.length - first);
        const prefix = request.prefix.narrow(0, first, count);
        const part = { ...request, prefix, seeds: request.seeds.slice(first, first + count) };
        const tokens = torch.scope(() => draw(part).narrow(1, prefix.shape[1]!, IMAGE).tolist());
        rows.push(...(tokens as number[][]));
      }
      return rows;
    });

const generated = (cache: boolean) => (request: Request) =>
  generate(request.gpt, request.prefix, IMAGE, {
    ...request.more,
    ...nullOf(request),
    nCodes: VOCABULARY,
    seeds: request.seeds,
    cache,
  });

function sampled(request: Request): Tensor {
  const { gpt, prefix, seeds, more } = request;
  using sampler = new TokenSampler(gpt, { batch: seeds.length, nCodes: VOCABULARY, ...more });
  return sampler.sample(prefix, IMAGE, { ...nullOf(request), seeds });
}

const ways: Record<string, Way> = {
  'without the cache': batched(BATCH, generated(false)),
  alone: batched(1, generated(true)),
  'in batches of 5': batched(5, generated(true)),
  'by a sampler': batched(BATCH, sampled),
};

/** The scores of all tokens at a row's image token number `drawn.length`, after the tokens drawn before it, in float64. */
function scoresAfter({ gpt, prefix, seeds, more }: Request, row: number, drawn: readonly number[]): number[] {
  const exact = lively('float64', gpt.config.nEmbd);
  const { guidance, guidanceSchedule, ...filters } = more;
  return torch.noGrad(() =>
    torch.scope(() => {
      const image = torch.tensor([drawn.map(BigInt)], { dtype: 'int64' }).view([1, drawn.length]);
      const after = (condition: Tensor) => {
        const logits = exact.forward(torch.cat([condition, image], 1));
        return logits.narrow(1, logits.shape[1]! - 1, 1).squeeze(1); // [1, V]
      };
      const condition = prefix.narrow(0, row, 1);
      const alone = after(condition);
      const scale = guidanceScales(
        { guidance: guidance ?? 1, ...(guidanceSchedule && { guidanceSchedule }) },
        IMAGE,
      );
      const logits =
        guidance === undefined || guidance === null
          ? alone
          : guidedLogits(
              torch.cat([alone, after(condition.fullLike(VOCABULARY))]),
              torch.tensor(Float64Array.of(scale[drawn.length]!)),
            );
      const seen = torch.tensor([Array.from({ length: VOCABULARY + 1 }, (_, id) => drawn.includes(id))]);
      const kept = filterLogits(logits, { nCodes: VOCABULARY, ...filters }, seen);
      const noise = rowNoise(
        seedWords([seeds[row]!], 'cpu'),
        VOCABULARY + 1,
      )(torch.tensor([BigInt(drawn.length)]));
      return kept.softmax(-1).div(noise.squeeze(1)).flatten().tolist() as number[];
    }),
  );
}

/** Returns the gap of the scores of the first two unlike tokens, as a share of the larger; null if the rows are equal. */
function firstGap(request: Request, row: number, a: readonly number[], b: readonly number[]): number | null {
  const at = a.findIndex((token, i) => token !== b[i]);
  if (at < 0) return null;
  const scores = scoresAfter(request, row, a.slice(0, at));
  const [one, other] = [scores[a[at]!]!, scores[b[at]!]!];
  return Math.abs(one - other) / Math.max(one, other);
}

function compare(name: string, request: Request, dtype: string): void {
  const expected = batched(BATCH, generated(true))(request);
  const distinct = new Set(expected.map(String)).size;
  if (distinct < request.seeds.length) fail(`${name}: only ${distinct} rows are distinct`);
  for (const [way, draw] of Object.entries(ways)) {
    const found = draw(request);
    const gaps = expected.flatMap((row, i) => firstGap(request, i, row, found[i]!) ?? []);
    const count = expected.length * IMAGE;
    const largest = gaps.length > 0 ? `, largest gap ${Math.max(...gaps).toExponential(1)}` : '';
    console.log(
      `${dtype.padEnd(9)}${name}, ${way}: ${gaps.length} of ${expected.length} rows (${count} tokens) differ${largest}`,
    );
    if (dtype === 'float64' && gaps.length > 0) fail(`${name}, ${way}: float64 differs`);
    if (dtype === 'float32' && gaps.some((gap) => !(gap < BOUNDARY)))
      fail(`${name}, ${way}: not at a boundary`);
  }
}

function fail(what: string): void {
  failures++;
  console.log(`FAILED: ${what}`);
}

/**
 * Windows over a grid larger than the model's, cell by cell and as a wavefront, with and without the cache: of a map, and of
 * a class and a map.
 */
function compareWindows(dtype: 'float64' | 'float32' | 'bfloat16', ofClass: boolean): void {
  const backbone = { ch: 32, chMult: [1], numResBlocks: 0, attnResolutions: [], resolution: 8 };
  const ddconfig = { ...backbone, inChannels: 3, outCh: 3, zChannels: 8, doubleZ: false };
  const net = new Net2NetTransformer({
    firstStage: new VQModel({ ddconfig, nEmbed: VOCABULARY, embedDim: 8 }),
    prior: lively(dtype),
    condition: '__is_first_stage__',
  }).eval();
  const grid = [20, 28] as const;
  const images = Math.ceil((ROWS * IMAGE) / (grid[0] * grid[1]));
  torch.manualSeed(9);
  const map = torch.randint(0, VOCABULARY, [images, ...grid]);
  const condition = ofClass ? [torch.randint(0, VOCABULARY, [images, 1]), map] : map;
  const what = ofClass ? 'windows of a class and a map' : 'windows';
  const draw = (options: SampleWindowedOptions) =>
    torch.scope(
      () =>
        sampleWindowed(net, condition, { window: 8, seed: 3, ...options })
          .flatten(1)
          .tolist() as number[][],
    );
  const expected = draw({ order: 'sequential', cacheBytes: 0 });
  for (const [way, options] of Object.entries<SampleWindowedOptions>({
    'one after another': { order: 'sequential' },
    wavefront: {},
    'wavefront, two windows at a time': { maxBatch: 2 * images },
    'wavefront without the cache': { cacheBytes: 0 },
  })) {
    const found = draw(options);
    const rows = expected.filter((row, i) => String(row) !== String(found[i])).length;
    const count = expected.length * expected[0]!.length;
    console.log(
      `${dtype.padEnd(9)}${what}, ${way}: ${rows} of ${expected.length} images (${count} tokens) differ`,
    );
    if (dtype !== 'bfloat16' && rows > 0) fail(`${what}, ${way}: ${dtype} differs`);
  }
}

for (const dtype of ['float64', 'float32', 'bfloat16'] as const) {
  const gpt = lively(dtype);
  const rows = dtype === 'float32' ? ROWS : 2 * BATCH;
  for (const [name, { length, more }] of Object.entries(conditions)) {
    torch.manualSeed(length);
    const prefix = torch.randint(0, VOCABULARY, [rows, length]);
    compare(name, { gpt, prefix, seeds: Array.from({ length: rows }, (_, row) => 1000 + row), more }, dtype);
  }
  for (const ofClass of [false, true]) compareWindows(dtype, ofClass);
}
const wide = lively('float32', 256);
for (const name of ['a class, guided', 'a map, a token for each code']) {
  const { length, more } = conditions[name]!;
  torch.manualSeed(length);
  const prefix = torch.randint(0, VOCABULARY, [ROWS, length]);
  const seeds = Array.from({ length: ROWS }, (_, row) => 1000 + row);
  compare(`${name}, packed weights`, { gpt: wide, prefix, seeds, more }, 'float32');
}
console.log(failures === 0 ? 'all equal' : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
