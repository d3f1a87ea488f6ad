/**
 * The training loop of every stage. Copy it to change what a run does: the package exports all that it uses. `Run` manages
 * the folder, a `TrainableStage` takes the steps; `trainer.training` has those of a trainer.
 */
import { writeModelCard } from '../reports/model-card.js';
import { checkChoice } from '../runs/choice.js';
import type { EndEvent, TrainingEvent } from '../runs/events.js';
import { NonFiniteError } from '../runs/error.js';
import type { Run } from '../runs/run.js';
import type { TrainedState } from '../runs/state.js';
import * as torch from '../torch/index.js';
import { slowData } from './engine/slow-data.js';
import { followed } from './engine/followed.js';
import { keepingGenerators } from './engine/generators.js';
import { Recovery } from './engine/recovery.js';
import { rescued, wholeWhileReading } from './engine/rescue.js';
import { setLearningRate } from './engine/schedule.js';
import type { MetricValues, TrainableStage } from './stage.js';

/**
 * Trains a stage in a started run to its end, or until the signal aborts: the current step is then finished and saved.
 * Breaking out of the loop over the events stops immediately, without saving. If reading images or an observer of events
 * throws, the last step is saved first. Closes the stage and the run.
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
export function train<Batch>(
  run: Run,
  stage: TrainableStage<Batch>,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<TrainingEvent, void, undefined> {
  return followed(run, steps(run, stage, options));
}

async function* steps<Batch>(
  run: Run,
  stage: TrainableStage<Batch>,
  { signal }: { signal?: AbortSignal },
): AsyncGenerator<TrainingEvent, void, undefined> {
  const evaluate = () => (run.writes ? keepingGenerators(run.setup.device, () => stage.evaluate()) : {});
  const evaluateIfCheap = whenCheap(run, evaluate);
  const recovery = new Recovery(run, stage);
  const note = (message: string) => ({ type: 'note', step: run.step, message }) as const;
  // Gives the state of the last whole step; null where that is being changed.
  let whole: (() => TrainedState) | null = () => stage.state();
  try {
    const { optimizers } = stage.state();
    yield run.started(optimizers);
    await stage.prepare?.(signal);
    run.begin(signal);
    if (!run.done && !run.interrupted(signal) && run.writes) checkChoice(run, evaluate);
    while (!run.done && !run.interrupted(signal)) {
      const learningRate = setLearningRate(optimizers, run);
      whole = wholeWhileReading(stage);
      const { batch, waited } = await stage.next();
      whole = null;
      const taken = torch.scope(() =>
        recovery.attempt(() => {
          const log = stage.step(batch);
          run.tick(waited, signal);
          const due = run.due('save');
          const saving = due || run.asked || run.interrupted(signal);
          return { read: run.due('log') || saving ? recovery.read(log) : null, due, saving };
        }),
      );
      if (!(taken instanceof NonFiniteError)) whole = () => stage.state();
      torch.dispose(batch);
      yield { type: 'step', step: run.step, progress: run.progress };
      if (taken instanceof NonFiniteError) {
        yield note(await recovery.rollBack(taken));
        continue;
      }
      const { read, due, saving } = taken;
      const observed = read && stage.observed?.();
      for (const remark of [read?.remark, stage.remark?.()]) if (remark) yield note(remark);
      if (read) {
        const losses = { ...read.losses, ...observed };
        yield run.log({ losses, learningRate, metrics: evaluateIfCheap() });
      }
      const slow = slowData(run);
      if (slow !== null) yield note(slow);
      if (run.due('images') && !run.done && run.writes) yield* drawn(run, await stage.draw());
      if (saving) yield await run.save(stage.state(), evaluate, { counts: due });
    }
    if (!run.saved) yield await run.save(stage.state(), evaluate);
    if (run.stopped !== null) yield note(run.stopped);
    yield* end(run, stage);
  } catch (error) {
    yield* rescued(run, whole, error);
    throw error;
  } finally {
    await closeTraining(run, stage);
  }
}

function* drawn(run: Run, path: string | null) {
  if (path !== null) yield run.images(path);
}

/** Ends a run: if it is complete, measures all held-out images and writes the model card. */
async function* end(run: Run, stage: TrainableStage): AsyncGenerator<TrainingEvent, void, undefined> {
  const { step, seconds, stopped } = run;
  const interrupted = !run.done;
  const at = { step, checkpoint: run.saved!.path, seconds, interrupted };
  const event: EndEvent = { type: 'end', ...at, ...(stopped !== null && { stopped }) };
  if (interrupted || !run.writes) {
    yield event;
    return;
  }
  const image = await stage.draw();
  yield* drawn(run, image);
  const metrics = await stage.evaluateAll();
  run.append({ step, progress: run.progress, seconds, final: true, metrics });
  await writeModelCard(run, { metrics, image, seconds });
  yield { ...event, metrics };
}

/** Releases a stage and its run, at most once. */
export async function closeTraining(run: Run, stage: TrainableStage): Promise<void> {
  if (run.closed) return;
  run.close();
  await stage.close();
}

/** Measures held-out metrics if they take at most a twentieth of the time; always the first and the last time. */
function whenCheap(run: Run, evaluate: () => MetricValues): () => MetricValues | null {
  let next = -1;
  return () => {
    if (run.seconds < next && !run.done) return null;
    const start = performance.now();
    const figures = evaluate();
    next = run.seconds + ((performance.now() - start) / 1000) * 20;
    return Object.keys(figures).length > 0 ? figures : null;
  };
}
