/** Common start of both stages: a checked configuration, images, a device, threads and a precision. */
import { availableParallelism } from 'node:os';
import { withUsedCodes } from '../models/quantizers/remap.js';
import type { RunOpening } from '../runs/opening.js';
import { Run } from '../runs/run.js';
import type { RunConfig } from '../runs/config.js';
import type { Precision } from '../runs/setting-kinds.js';
import * as torch from '../torch/index.js';
import { chooseDevice, setUpComputing } from './engine/device.js';
import { firstChoice, notesOnProcesses, ownDevice, ownProcessors } from './engine/processes.js';
import { fasterPrecision, idleProcessors, noteOnPrecision } from './engine/tune.js';
import { imagesState, openRunImages, sameImages, type Images, type TrainerOptions } from './images.js';
import type { TrainableStage, StageKind } from './stage.js';

/** A run with everything that a stage needs to be built. */
export interface Session extends Images {
  run: Run;
  config: RunConfig;
  device: torch.Device;
  precision: Precision;
  /** True if weights are initialised randomly: in a new run, but not in a dry run, which leaves them uninitialised. */
  draws: boolean;
  /** Closes the images. */
  close(): Promise<void>;
}

/** Opens a run, checks and opens all inputs of a stage, and resolves the settings that are still `auto`. */
export async function openSession(
  kind: StageKind<TrainableStage>,
  folder: string,
  opening: RunOpening & { dry?: boolean },
  options: TrainerOptions,
): Promise<Session> {
  const run = await Run.open(folder, kind.name, opening);
  const { notes, checkpoint } = run;
  let close = async () => {};
  try {
    const given = checkpoint ? run.config : await kind.adapt(selfContained(run.config), notes);
    notes.push(...notesOnProcesses(given, checkpoint?.state ?? null));
    const device = ownDevice(chooseDevice(given.training.device));
    const threads = await threadsOf(run, given, device);
    setUpComputing(device, threads, given.training);
    const images = await openRunImages(given, options, notes, kind.takesTokens ?? false);
    ({ close } = images);
    const known = checkpoint
      ? await sameImages(folder, given, images, checkpoint.state, notes)
      : (kind.settle?.(given, images) ?? given);
    const config = { ...known, training: { ...known.training, device, threads } };
    const precision = precisionOf(kind, config, { device, notes, dry: opening.dry ?? false });
    const imagesFrom = images.report?.kind;
    run.settle(config, {
      device,
      threads,
      precision,
      images: imagesState(images),
      ...(imagesFrom && { imagesFrom }),
    });
    return { ...images, run, config, device, precision, draws: !checkpoint && !opening.dry };
  } catch (error) {
    await close();
    await run.abandon();
    throw error;
  }
}

/** Returns a configuration that reads no file of used codes: the run folder has them. */
const selfContained = (config: RunConfig): RunConfig => ({ ...config, model: withUsedCodes(config.model) });

/** Returns the number of threads, by default the same as before in a resumed run, and notes what has changed. */
async function threadsOf(
  { checkpoint, notes }: Run,
  { training: { threads: wanted } }: RunConfig,
  device: torch.Device,
): Promise<number> {
  if (!checkpoint && wanted !== 'auto') return wanted;
  if (!checkpoint) return torch.distributed.worldSize() > 1 ? ownProcessors() : await idleProcessors();
  const { state } = checkpoint;
  const threads = wanted === 'auto' ? (state['threads'] as number) : wanted;
  for (const [name, now] of Object.entries({ device, threads })) {
    if (now === state[name]) continue;
    notes.push(
      `training.${name} is now ${String(now)} instead of ${String(state[name])}: losses will differ in their last digits`,
    );
  }
  if (threads > availableParallelism()) {
    notes.push(
      `training.threads is ${threads}, but only ${availableParallelism()} processors are available: threads will wait for ` +
        `each other; set training.threads=${availableParallelism()}`,
    );
  }
  return threads;
}

function precisionOf(
  kind: StageKind<TrainableStage>,
  config: RunConfig,
  { device, notes, dry }: { device: torch.Device; notes: string[]; dry: boolean },
): Precision {
  const wanted = config.training.precision;
  if (wanted !== 'auto') {
    const note = noteOnPrecision(wanted, device);
    if (note !== null) notes.push(note);
    return wanted;
  }
  if (!dry)
    return firstChoice(fasterPrecision(device, notes, (precision) => kind.measure(config, precision)));
  notes.push('precision: measured when the run starts');
  return 'float32';
}
