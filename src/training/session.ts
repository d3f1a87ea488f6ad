/** What both stages begin with: a checked configuration, pictures, a device, threads, and a locked run folder. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { DataReport } from '../data/open-images.js';
import type { ImageSource } from '../data/image-source.js';
import * as torch from '../torch/index.js';
import { newestCheckpoint, removePartialCheckpoints } from '../runs/checkpoint.js';
import type { RunCheckpoint, CheckpointState } from '../runs/checkpoint.js';
import { withChanges } from '../runs/config-changes.js';
import {
  chosenDevice,
  resolveConfig,
  type RunConfig,
  type Stage,
  type TrainingConfig,
} from '../runs/config.js';
import { RunError } from '../runs/error.js';
import {
  checkRunIsNew,
  checkWritable,
  makeRunFolder,
  progressJournal,
  readConfig,
  writeConfig,
  writeEnvironment,
} from '../runs/folder.js';
import { forgetProgress } from '../runs/clock.js';
import { checkUnlocked, lockRun } from '../runs/lock.js';
import { openSessionImages, sameImages } from './session-images.js';

/** Pictures that are not opened from `config.data.path`. */
export interface Images {
  train: ImageSource;
  heldOut: ImageSource;
}

export interface TrainerOptions {
  /** Pictures in place of those that `config.data` names. */
  images?: Images;
  /** Called while pictures are made or decoded. */
  onProgress?: (label: string, done: number, total: number) => void;
  /** Ends the opening of pictures. */
  signal?: AbortSignal;
}

/** What a run would be, found out without writing anything. */
export interface RunPlan {
  /** Every setting as the run would record it, but for a precision that is measured. */
  config: RunConfig;
  device: torch.Device;
  /** Pictures to train on and held out. */
  images: { train: number; heldOut: number };
  /** Numbers that the optimizers train. */
  parameters: number;
  /** What the run would say when it starts. */
  notes: string[];
}

export type Precision = 'float32' | 'bfloat16';

/** What a stage adds to the beginning of a run. */
export interface StageBeginning {
  /** Completes and checks the configuration by what it takes from elsewhere, before pictures are opened. */
  adapt: (config: RunConfig, notes: string[]) => Promise<RunConfig>;
  /** Completes it by what the pictures are. */
  settle?: (config: RunConfig, images: Images) => RunConfig;
  /** Milliseconds of a training step; what `precision: auto` compares. */
  measure: (config: RunConfig, precision: Precision) => number;
}

export interface Session extends Images {
  stage: Stage;
  folder: string;
  config: RunConfig;
  device: torch.Device;
  threads: number;
  precision: Precision;
  /** What the data room said of the pictures; absent where they were given. */
  report?: DataReport;
  /** Where the run goes on. */
  checkpoint: (RunCheckpoint & { state: CheckpointState }) | null;
  /** A dry run: nothing is written, and the weights stay as they come. */
  dry: boolean;
  /** Said when the run starts. */
  notes: string[];
  /** Gives back lock and pictures. */
  close(): Promise<void>;
  /** The same, and removes the folder of a run that could not begin. */
  abandon(): Promise<void>;
}

/**
 * Begins a new run: everything is checked and opened before the folder is made. A dry run ends there, with a session
 * that may be built on and closed.
 */
export async function beginSession(
  stage: Stage,
  run: string,
  given: unknown,
  { dry = false, ...options }: TrainerOptions & { dry?: boolean },
  { adapt, settle = (config) => config, measure }: StageBeginning,
): Promise<Session> {
  checkRunIsNew(run);
  checkUnlocked(run);
  checkWritable(run);
  const notes: string[] = [];
  const config = await adapt(newConfig(stage, given), notes);
  const device = chooseDevice(config.training.device);
  const threads = config.training.threads === 'auto' ? await idleProcessors() : config.training.threads;
  setUpComputing({ ...config.training, device, threads });
  const images = await openSessionImages(config, options, notes);
  let release = () => {};
  let made = false;
  const fresh = { stage, folder: run, device, threads, notes, dry, checkpoint: null };
  const close = async () => {
    await images.close();
    release();
  };
  const abandon = async () => {
    await close();
    if (made) await rm(run, { recursive: true, force: true }).catch(() => {});
  };
  try {
    const settled = settle(config, images);
    const sized = { ...settled, training: { ...settled.training, device, threads } };
    if (dry) {
      const wanted = sized.training.precision;
      if (wanted === 'auto') notes.push('precision: measured when the run starts');
      const precision = wanted === 'auto' ? 'float32' : wanted;
      return { ...fresh, config: sized, precision, ...images, close, abandon };
    }
    const precision = choosePrecision(sized, notes, measure);
    const resolved = { ...sized, training: { ...sized.training, precision } };
    const existed = existsSync(run);
    await makeRunFolder(run);
    release = lockRun(run);
    made = !existed; // With the lock it is known to be no other process's.
    await writeConfig(run, stage, resolved);
    await writeEnvironment(run, { device, threads, precision, notes });
    return { ...fresh, config: resolved, precision, ...images, close, abandon };
  } catch (error) {
    await abandon();
    throw error;
  }
}

/** The configuration of a new run, whose pictures cannot have changed. */
function newConfig(stage: Stage, given: unknown): RunConfig {
  const { data, ...rest } = resolveConfig(stage, given);
  const { changed: _, ...kept } = data;
  return { ...rest, data: kept };
}

/** Goes on with a run from its newest checkpoint that verifies. */
export async function resumeSession(
  stage: Stage,
  run: string,
  changes: unknown,
  options: TrainerOptions,
): Promise<Session> {
  const { stage: found, ...stored } = await readConfig(run);
  if (found !== stage) throw new RunError(`${run} is the run of a ${found}, not of a ${stage}`);
  const config = withChanges(stage, stored, changes);
  const release = lockRun(run);
  try {
    await removePartialCheckpoints(run);
    const checkpoint = await newestCheckpoint(run);
    const { state } = checkpoint;
    const device = chooseDevice(config.training.device);
    const threads =
      config.training.threads === 'auto' ? (state['threads'] as number) : config.training.threads;
    const notes: string[] = [];
    for (const [name, now] of Object.entries({ device, threads })) {
      if (now !== state[name]) {
        notes.push(
          `${name} ${String(now)} in place of ${String(state[name])}: losses differ in their last digits`,
        );
      }
    }
    if (threads > availableParallelism()) {
      notes.push(
        `this run computes with ${threads} threads, and there are ${availableParallelism()} processors`,
      );
    }
    setUpComputing({ ...config.training, device, threads });
    const precision = config.training.precision as Precision;
    const images = await openSessionImages(config, options, notes);
    const settled = await sameImages(run, config, images, state, notes);
    const resolved = { ...settled, training: { ...settled.training, device, threads } };
    const { steps, minutes } = stored.training;
    // Before the new length is written: a process that dies in between resumes with the old one.
    if (steps !== resolved.training.steps || minutes !== resolved.training.minutes) {
      forgetProgress(progressJournal(run), checkpoint.step);
    }
    await writeConfig(run, stage, resolved);
    await writeEnvironment(run, { device, threads, precision, notes, resumedFrom: checkpoint.step });
    const session = {
      stage,
      folder: run,
      config: resolved,
      device,
      threads,
      precision,
      notes,
      checkpoint,
      dry: false,
    };
    const close = async () => {
      await images.close();
      release();
    };
    return { ...session, ...images, close, abandon: close };
  } catch (error) {
    release();
    throw error;
  }
}

function chooseDevice(wanted: 'auto' | torch.Device): torch.Device {
  if (wanted === 'cpu') return 'cpu';
  if (torch.cudaIsAvailable()) return wanted === 'auto' || wanted === 'cuda' ? 'cuda:0' : wanted;
  if (wanted === 'auto') return 'cpu';
  throw new RunError(
    `training.device is ${wanted}, but no CUDA device can be used: run "npx tessera-torch doctor" to see why, or set it to cpu`,
  );
}

/** For the whole process: threads, and which of CUDA's algorithms are used. */
function setUpComputing({ device, threads, deterministic }: TrainingConfig & { threads: number }): void {
  torch.setNumThreads(threads);
  if (!device.startsWith('cuda')) return;
  // cuBLAS reads it at its first product.
  if (deterministic) process.env['CUBLAS_WORKSPACE_CONFIG'] ??= ':4096:8';
  // Max-pooling's backward has no deterministic algorithm by name, but windows that do not overlap give the same bits.
  torch.useDeterministicAlgorithms(deterministic, { warnOnly: true });
  torch.backends.cudnn.deterministic = deterministic;
  torch.backends.cudnn.benchmark = !deterministic; // Shapes are the same at every step.
}

/** Processors without work just now: threads beyond these would wait for each other at every operator. */
async function idleProcessors(): Promise<number> {
  const count = Math.min(availableParallelism(), torch.getNumThreads());
  if (count === 1) return 1;
  const times = () =>
    cpus().map(({ times: t }) => ({ idle: t.idle, all: t.idle + t.user + t.sys + t.nice + t.irq }));
  const before = times();
  await setTimeout(300);
  const idle = times().reduce((sum, now, i) => {
    const { idle: was, all } = before[i] ?? { idle: 0, all: 0 };
    return sum + (now.idle - was) / Math.max(1, now.all - all);
  }, 0);
  return Math.max(1, Math.min(count, Math.round(idle)));
}

function choosePrecision(config: RunConfig, notes: string[], measure: StageBeginning['measure']): Precision {
  const { precision } = config.training;
  if (precision !== 'auto') return precision;
  const [single, half] = keepingGenerators<[number, number]>(chosenDevice(config), () => [
    measure(config, 'float32'),
    measure(config, 'bfloat16'),
  ]);
  const chosen = half < single ? 'bfloat16' : 'float32';
  const shown = (ms: number) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  notes.push(`precision: ${chosen} (a step takes ${shown(single)} in float32, ${shown(half)} in bfloat16)`);
  return chosen;
}

/** Runs `fn` and puts the default generators back where they were: what is measured or shown changes no training. */
export function keepingGenerators<T>(device: torch.Device, fn: () => T): T {
  const generators = [...new Set<torch.Device>(['cpu', device])].map((name) => torch.defaultGenerator(name));
  return torch.scope(() => {
    const states = generators.map((generator) => generator.getState());
    try {
      return fn();
    } finally {
      generators.forEach((generator, i) => generator.setState(states[i]!));
    }
  });
}

/** The fastest of a few timed calls, in milliseconds, after two untimed ones: what other programs do adds time only. */
export function timeSteps(step: () => void, count = 5): number {
  const times = Array.from({ length: count + 2 }, () => {
    const start = performance.now();
    step();
    return performance.now() - start;
  });
  return Math.min(...times.slice(2));
}
