/** What the first step of a run does to its weights: by which optimizer, and at which rate. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { TrainingEvent } from '../../src/runs/events.js';
import type { TrainedState } from '../../src/runs/state.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { trainFirstStage, transformerTrainer, vqganTrainer } from './engine-runs.js';
import { segmentation } from './map-configs.js';
import { eventsOf } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-updates-'));
const place = (name: string) => join(root, name);

test.before(() => trainFirstStage(place('first')));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

// Of momentum SGD keeps its gradients, so that weights tell the rate: a quarter of the peak at the first of two steps.
const training = {
  optimizer: { target: 'SGD', params: { momentum: 0.9 } },
  steps: 2,
  schedule: 'constant',
  warmup: 2,
  finalLearningRate: 0.25,
  learningRate: 0.08,
};

interface Training {
  run(options?: { signal?: AbortSignal }): AsyncIterable<TrainingEvent>;
  training: { stage: { state(): TrainedState } };
}

const stages: Record<string, [open: () => Promise<Training>, peaks: Record<string, number>]> = {
  'a first stage, whose discriminator has a rate of its own': [
    () => vqganTrainer(place('images'), { ...training, discriminatorLearningRate: 0.02 }),
    { generator: 0.08, discriminator: 0.02 },
  ],
  'a first stage of label maps': [
    () => VqganTrainer.create(segmentation({ ...training, restartCodes: false }), { run: place('labels') }),
    { generator: 0.08 },
  ],
  'a second stage': [
    () => transformerTrainer(place('codes'), place('first'), training),
    { transformer: 0.08 },
  ],
};

for (const [stage, [open, peaks]] of Object.entries(stages)) {
  test.serial(`the optimizer that is named updates by the rate of the schedule: ${stage}`, async (t) => {
    const trainer = await open();
    const { optimizers } = trainer.training.stage.state();
    t.deepEqual(Object.keys(optimizers).sort(), Object.keys(peaks).sort());
    const before = new Map<Tensor, Tensor>();
    for (const { paramGroups } of Object.values(optimizers))
      for (const parameter of paramGroups.flatMap(({ params }) => params))
        before.set(parameter, torch.keep(parameter.detach().clone()));
    await eventsOf(trainer, 1);
    for (const [name, peak] of Object.entries(peaks)) {
      const optimizer = optimizers[name];
      if (!(optimizer instanceof optim.SGD))
        return t.fail(`${name} is updated by ${optimizer?.constructor.name}`);
      let moved = 0;
      for (const parameter of optimizer.paramGroups.flatMap(({ params }) => params)) {
        const { momentum_buffer: gradient } = optimizer.state.get(parameter) as Record<string, Tensor>;
        if (!gradient) continue; // It had no gradient.
        const step = gradient.mul(0.25 * peak);
        const expected = before.get(parameter)!.sub(step);
        t.true(parameter.detach().allclose(expected, 1e-5, 1e-7), name);
        moved = Math.max(moved, step.abs().max().item());
      }
      t.true(moved > 1e-5, `${name}: ${moved}`);
    }
    torch.dispose([...before.values()]);
  });
}
