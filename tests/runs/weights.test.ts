/** Choice of the weights of a run that other runs begin with. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { averageOf, newestCheckpoint, weightsOf } from '../../src/runs/checkpoint.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import type { Module } from '../../src/torch/nn/index.js';
import { transformerTrainer, vqganTrainer } from '../training/engine-runs.js';
import { eventsOf } from '../training/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-weights-'));
const averaged = join(root, 'averaged');
const plain = join(root, 'plain');
let average: Map<string, Tensor>;
let trained: Map<string, Tensor>;

test.before(async () => {
  const training = { steps: 2, learningRate: 1e-2 };
  await eventsOf(await vqganTrainer(averaged, { ...training, ema: 0.5 }));
  await eventsOf(await vqganTrainer(plain, training));
  const checkpoint = await newestCheckpoint(averaged);
  const read = async (path: string) => {
    using file = await loadCheckpoint(path);
    return new Map([...file.tensors.keys()].map((key) => [key, torch.keep(file.tensors.get(key)!)]));
  };
  [average, trained] = [await read(averageOf(checkpoint)), await read(weightsOf(checkpoint))];
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Checks a model's weights: those that are averaged equal the expected ones, the rest the trained ones. */
function isAt(model: Module, prefix: string): 'average' | 'trained' | 'neither' {
  const state = [...model.stateDict()].filter(([key]) => key.startsWith(prefix));
  const equals = (expected: (key: string) => Tensor | undefined) =>
    state.every(([key, tensor]) => expected(key.slice(prefix.length))?.equal(tensor) ?? true);
  if (equals((key) => average.get(key) ?? trained.get(key))) return 'average';
  return equals((key) => trained.get(key)) ? 'trained' : 'neither';
}

for (const [useEma, expected] of [
  [undefined, 'average'],
  [false, 'trained'],
] as const) {
  test.serial(`a second stage and a run that begins with a run take its ${expected} weights`, async (t) => {
    const name = (what: string) => join(root, `${what} ${expected}`);
    const given = { steps: 1, useEma };
    const second = await transformerTrainer(name('transformer'), averaged, given);
    t.is(isAt(second.net, 'first_stage_model.'), expected);
    await second.close();
    const from = await vqganTrainer(name('from'), { ...given, from: averaged });
    t.is(isAt(from.model, ''), expected);
    const disc = 'loss.discriminator.main.0.weight';
    t.true(from.model.stateDict().get(disc)!.equal(trained.get(disc)!), 'the discriminator has no average');
    const [start] = await eventsOf(from);
    const note = start?.type === 'start' && start.notes.find((text) => text.includes('tensors loaded'));
    t.is(String(note).includes('(moving average)'), expected === 'average', String(note));
  });
}

test.serial('a run without an average gives its trained weights', async (t) => {
  t.false(existsSync(averageOf(await newestCheckpoint(plain))));
  const from = await vqganTrainer(join(root, 'from plain'), { steps: 1, from: plain });
  using file = await loadCheckpoint(weightsOf(await newestCheckpoint(plain)));
  const key = 'decoder.conv_out.weight';
  t.true(from.model.stateDict().get(key)!.equal(file.tensors.get(key)!));
  await from.close();
});
