/**
 * The training loop of every stage. Copy it to change what a run does; `Run` manages the folder, a `TrainableStage`
 * takes the steps.
 */
import { join } from 'node:path';
import { bestBy } from '../metrics/definitions.js';
import { modelCard } from '../reports/model-card.js';
import { bestCheckpoint } from '../runs/checkpoint.js';
import type { EndEvent, TrainingEvent } from '../runs/events.js';
import { replaceFile } from '../runs/folder.js';
import type { Run } from '../runs/run.js';
import * as torch from '../torch/index.js';
import { slowData } from './engine/slow-data.js';
import { keepingGenerators } from './engine/generators.js';
import { setLearningRate } from './engine/schedule.js';
import type { Figures, TrainableStage } from './stage.js';

/**
 * Trains a stage in a started run to its end, or until the signal aborts: the current step is then finished and saved.
 * Breaking out of the loop over the events stops immediately, without saving. Closes the stage and the run.
 *
 * @throws NonFiniteError with the last good checkpoint
 *
 * @example
 * ```ts
 * // A stage of your own: anything with `next`, `step`, `evaluate`, `evaluateAll`, `draw`, `state` and `close`.
 * async function trainIn(folder: string, config: unknown, stage: TrainableStage) {
 *   const run = await Run.open(folder, 'vqgan', { new: config });
 *   await run.start(stage.state());
 *   for await (const event of train(run, stage)) if (event.type === 'log') console.log(event.losses);
 * }
 * ```
 */
export async function* train<Batch>(
  run: Run,
  stage: TrainableStage<Batch>,
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<TrainingEvent, void, undefined> {
  const evaluate = () => (run.writes ? keepingGenerators(run.setup.device, () => stage.evaluate()) : {});
  const evaluateIfCheap = whenCheap(run, evaluate);
  const note = (message: string) => ({ type: 'note', step: run.step, message }) as const;
  try {
    const { optimizers } = stage.state();
    yield run.started(optimizers);
    await stage.prepare?.(signal);
    run.begin(signal);
    while (!run.done && !run.stopped(signal)) {
      const learningRate = setLearningRate(optimizers, run);
      const { batch, waited } = await stage.next();
      const { losses, saving } = torch.scope(() => {
        const log = stage.step(batch);
        run.tick(waited, signal);
        const saves = run.due('save') || run.stopped(signal);
        return { losses: run.due('log') || saves ? run.read(log) : null, saving: saves };
      });
      torch.dispose(batch);
      yield { type: 'step', step: run.step, progress: run.progress };
      const remark = stage.remark?.() ?? null;
      if (remark !== null) yield note(remark);
      if (losses) yield run.log({ losses, learningRate, metrics: evaluateIfCheap() });
      const share = run.waitsTooMuch();
      if (share !== null) yield note(slowData(share, run));
      if (run.due('images') && !run.done && run.writes) yield* drawn(run, await stage.draw());
      if (saving) yield await run.save(stage.state(), evaluate);
    }
    if (!run.saved) yield await run.save(stage.state(), evaluate);
    yield* end(run, stage);
  } finally {
    await closeTraining(run, stage);
  }
}

function* drawn(run: Run, path: string | null) {
  if (path !== null) yield run.images(path);
}

/** Ends a run: if it is complete, measures all held-out images and writes the model card. */
async function* end(run: Run, stage: TrainableStage): AsyncGenerator<TrainingEvent, void, undefined> {
  const { step, seconds, folder } = run;
  const interrupted = !run.done;
  const event: EndEvent = { type: 'end', step, checkpoint: run.saved!.path, seconds, interrupted };
  if (interrupted || !run.writes) {
    yield event;
    return;
  }
  const image = await stage.draw();
  yield* drawn(run, image);
  const metrics = await stage.evaluateAll();
  run.append({ step, progress: run.progress, seconds, final: true, metrics });
  const best = bestCheckpoint(folder, bestBy(run.stage))?.step ?? step;
  await replaceFile(join(folder, 'README.md'), modelCard(run, { metrics, best, image, seconds }));
  yield { ...event, metrics };
}

/** Releases a stage and its run, at most once. */
export async function closeTraining(run: Run, stage: TrainableStage): Promise<void> {
  if (run.closed) return;
  run.close();
  await stage.close();
}

/** Measures held-out metrics if they take at most a twentieth of the time; always the first and the last time. */
function whenCheap(run: Run, evaluate: () => Figures): () => Figures | null {
  let next = -1;
  return () => {
    if (run.seconds < next && !run.done) return null;
    const start = performance.now();
    const figures = evaluate();
    next = run.seconds + ((performance.now() - start) / 1000) * 20;
    return Object.keys(figures).length > 0 ? figures : null;
  };
}
