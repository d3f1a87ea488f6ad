/** Numbers computed from the old runs: recorded when the runs were written, and compared by a test. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { Api, Rows } from './checkout.js';

/** Numbers by name. */
export type Answers = Record<string, readonly number[]>;

type Tensor = InstanceType<Api['torch']['Tensor']>;

const SEED = 11;
const GRID = [4, 4] as const;
/** The runs end at step 2. */
const STEPS = 4;

const numbers = (tensor: Tensor): number[] =>
  (tensor.reshape([-1]).tolist() as (number | bigint)[]).map((value) => Number(value));

/** Returns a few numbers from all over a tensor. */
const some = (tensor: Tensor): number[] => numbers(tensor).filter((_, i) => i % 23 === 0);

/** Returns images of stripes, [2, 3, 8, 8]. */
const stripes = ({ torch }: Api): Tensor =>
  torch
    .linspace(0, 40, 2 * 3 * 8 * 8)
    .sin()
    .reshape([2, 3, 8, 8]);

/**
 * Returns sums and norms of a model's tensors in their order. Leaves out a frozen first stage, which has its own run,
 * and biases of keys: attention does not depend on them, so they follow only rounding errors.
 */
function summary({ torch }: Api, tensors: Iterable<[string, Tensor]>): Answers {
  const trained = [...tensors].filter(([key]) => !/^first_stage_model\.|\.key\.bias$/.test(key));
  const of = (measure: (tensor: Tensor) => Tensor) =>
    trained.map(([, tensor]) => torch.scope(() => Number(measure(tensor.detach().to('float64')).item())));
  return { sums: of((x) => x.sum()), norms: of((x) => x.square().sum().sqrt()) };
}

async function reconstructed(api: Api): Promise<Answers> {
  const { model, step } = await api.openRun('vqgan', 'vqgan', 'cpu');
  const { reconstruction, indices } = api.torch.noGrad(() => model.forward(stripes(api)));
  return { step: [step], codes: numbers(indices), reconstruction: some(reconstruction) };
}

async function sampled(api: Api, run: string): Promise<Answers> {
  const { torch } = api;
  const { model: net, step, classes } = await api.openRun(run, 'transformer', 'cpu');
  const labels = torch.tensor(classes.length > 0 ? [0n, 1n, 1n] : [0n, 0n, 0n]);
  const condition = net.encodeToC(labels).indices;
  torch.manualSeed(SEED);
  const tokens = api.sampleTokens(net, condition, GRID[0] * GRID[1], { topK: 8 });
  return { step: [step], tokens: numbers(tokens), images: some(net.decodeToImg(tokens, GRID)) };
}

/** Resumes a copy of a run for two steps; returns its losses, and sums and norms of its weights. */
async function resumed(api: Api, run: string, stage: 'vqgan' | 'transformer'): Promise<Answers> {
  const copy = `resumed-${run}`;
  cpSync(run, copy, { recursive: true });
  const Trainer = stage === 'vqgan' ? api.VqganTrainer : api.TransformerTrainer;
  const trainer = await Trainer.resume(copy, { changes: { training: { steps: STEPS } } });
  for await (const _event of trainer.run());
  const answers: Record<string, readonly number[]> = {};
  for (const { step, losses } of api.readMetrics(copy)) {
    if (step <= 2) continue;
    for (const [name, value] of Object.entries((losses ?? {}) as Record<string, number>))
      answers[`step ${step}: ${name}`] = [value];
  }
  const { path, step } = await api.newestCheckpoint(copy);
  const checkpoint = await api.loadCheckpoint(join(path, 'model.safetensors'));
  const weights = summary(api, checkpoint.tensors);
  checkpoint.close();
  return { step: [step], ...answers, ...weights };
}

/** Returns all numbers of the runs in the working folder, which are not changed. */
export async function answersOf(api: Api): Promise<Record<string, Answers>> {
  return {
    reconstructed: await reconstructed(api),
    sampled: await sampled(api, 'transformer'),
    'sampled by classes': await sampled(api, 'transformer-classes'),
    'vqgan, resumed': await resumed(api, 'vqgan', 'vqgan'),
    'transformer, resumed': await resumed(api, 'transformer', 'transformer'),
    'transformer with classes, resumed': await resumed(api, 'transformer-classes', 'transformer'),
  };
}

/** Returns them to the last bit, for two checkouts on one machine; `folder` contains the runs. */
export async function askOldRunAnswers(api: Api, folder: string): Promise<Rows> {
  process.chdir(folder);
  const answers = Object.entries(await answersOf(api));
  return Object.fromEntries(
    answers.map(([name, of]) => [
      name,
      Object.entries(of)
        .map(([key, values]) => `${key}: ${values.join(' ')}`)
        .join('\n'),
    ]),
  );
}

/** Returns them rounded to seven digits, as in the fixture. */
export async function recordedAnswers(api: Api): Promise<Rows> {
  const round = (_key: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(7)) : value;
  const all = Object.entries(await answersOf(api)).map(([name, of]) => {
    const lines = Object.entries(of).map(
      ([key, values]) => `    ${JSON.stringify(key)}: ${JSON.stringify(values, round)}`,
    );
    return `  ${JSON.stringify(name)}: {\n${lines.join(',\n')}\n  }`;
  });
  return { answers: `{\n${all.join(',\n')}\n}\n` };
}
