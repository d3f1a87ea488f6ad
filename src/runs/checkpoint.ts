/**
 * Checkpoints of a run: folders `checkpoints/step-NNNNNNN` with model.safetensors, optimizer.safetensors,
 * ema.safetensors if the run averages its weights, and state.json, which lists the other files with their hashes. A folder gets its name only when complete.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeAtomically } from '../files/atomic-file.js';
import { systemPath } from '../files/file-names.js';
import { jsonIn } from '../files/look.js';
import { moveAside, replaceFolder } from '../files/folder.js';
import { saveSafetensors } from '../torch/io/index.js';
import type { Tensor } from '../torch/index.js';
import type { Measure } from '../metrics/definitions.js';
import { RunError, writeError } from './error.js';

/** A complete checkpoint of a run: a folder below `checkpoints/`. */
export interface RunCheckpoint {
  step: number;
  path: string;
}

/** Content of state.json, besides a trainer's own fields. */
export interface CheckpointState {
  step: number;
  /** Held-out metrics at this step. */
  metrics: Record<string, number>;
  [key: string]: unknown;
}

interface FileEntry {
  bytes: number;
  sha256: string;
}

type Tensors = ReadonlyMap<string, Tensor>;

const nameOf = (step: number): string => `step-${String(step).padStart(7, '0')}`;
const root = (run: string): string => join(run, 'checkpoints');

/** Returns the file with the weights of a checkpoint. */
export const weightsOf = ({ path }: RunCheckpoint): string => join(path, 'model.safetensors');

/** Returns the file with the moving average of those weights that are trained, in a checkpoint of a run that has one. */
export const averageOf = ({ path }: Pick<RunCheckpoint, 'path'>): string => join(path, 'ema.safetensors');

/** Returns the path of a run's checkpoint. */
export const checkpointPath = (run: string, step: number): string => join(root(run), nameOf(step));

/**
 * Returns the complete checkpoints of a run, oldest first.
 *
 * @example
 * ```ts
 * for (const { step, path } of listCheckpoints('runs/vqgan')) console.log(step, path);
 * ```
 */
export function listCheckpoints(run: string): RunCheckpoint[] {
  if (!existsSync(root(run))) return [];
  return readdirSync(root(run))
    .flatMap((name) => {
      const step = /^step-(\d{7,})$/.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(root(run), name) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** Writes a checkpoint; replaces an existing one of the same step. */
export async function writeCheckpoint(
  run: string,
  state: CheckpointState,
  tensors: { model: Tensors; optimizer: Tensors; ema?: Tensors },
  onBytes?: OnBytes,
): Promise<RunCheckpoint> {
  const path = checkpointPath(run, state.step);
  const partial = join(root(run), `.${nameOf(state.step)}.${process.pid}.partial`);
  try {
    await mkdir(partial, { recursive: true });
    const files: Record<string, FileEntry> = {};
    for (const [name, content] of Object.entries(tensors)) {
      const file = `${name}.safetensors`;
      const metadata = { step: String(state.step) };
      const onProgress = (done: number, total: number) => onBytes?.(`writing ${file}`, done, total);
      await saveSafetensors(join(partial, file), content, { metadata, onProgress });
      files[file] = await describeFile(join(partial, file), onBytes);
    }
    await writeAtomically(join(partial, 'state.json'), `${JSON.stringify({ ...state, files }, null, 2)}\n`);
    await replaceFolder(partial, path, 'state.json');
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    const last = listCheckpoints(run).at(-1);
    const kept = last
      ? `The checkpoint of step ${last.step} is intact: resume the run once this is fixed.`
      : '';
    throw writeError(path, error, kept || 'Name a folder that can be written to.');
  }
  return { step: state.step, path };
}

/** Removes incomplete checkpoints of a killed process. Only for the holder of the run's lock. */
export async function removePartialCheckpoints(run: string): Promise<void> {
  if (!existsSync(root(run))) return;
  const partial = readdirSync(root(run)).filter((name) => name.startsWith('.') && name.endsWith('.partial'));
  await Promise.all(partial.map((name) => rm(join(root(run), name), { recursive: true, force: true })));
}

/**
 * Returns the checkpoint with the best value of the metric, or of the first of several metrics that a checkpoint has;
 * undefined if none has one.
 *
 * @example
 * ```ts
 * const best = bestCheckpoint('runs/vqgan', { name: 'lpips', better: 'lower' });
 * console.log(best?.step, best?.path);
 * ```
 */
export function bestCheckpoint(
  run: string,
  measure: Measure | readonly Measure[],
): RunCheckpoint | undefined {
  return bestCheckpoints(run, measure)[0];
}

/** Returns the checkpoints that have the metric, or the first of several that any has, best first; equals by step. */
function bestCheckpoints(run: string, measure: Measure | readonly Measure[]): RunCheckpoint[] {
  for (const { name, better } of [measure].flat()) {
    const measured = listCheckpoints(run).flatMap((checkpoint) => {
      const value: unknown = readState(checkpoint.path)?.metrics?.[name];
      // JSON writes an infinite value (the PSNR of a perfect reconstruction) as null.
      const number = value === null ? (better === 'higher' ? Infinity : -Infinity) : value;
      return typeof number === 'number' ? [{ checkpoint, value: number }] : [];
    });
    const sign = better === 'higher' ? -1 : 1;
    const order = (a: number, b: number) => (a === b ? 0 : sign * (a - b));
    if (measured.length > 0) {
      return measured.sort((a, b) => order(a.value, b.value)).map(({ checkpoint }) => checkpoint);
    }
  }
  return [];
}

/** Removes the checkpoints up to `step`, except the newest `keep` and the best `keepBest`. */
export async function pruneCheckpoints(
  run: string,
  step: number,
  keep: number,
  measure: Measure | readonly Measure[],
  keepBest = 1,
): Promise<void> {
  const all = listCheckpoints(run).filter((checkpoint) => checkpoint.step <= step);
  const best = bestCheckpoints(run, measure).slice(0, keepBest);
  for (const { step: old, path } of all.slice(0, -keep)) {
    if (best.some((kept) => kept.step === old)) continue;
    // Renamed first: a half-deleted folder must not look like a checkpoint.
    const partial = join(root(run), `.${nameOf(old)}.${process.pid}.partial`);
    await moveAside(path, partial, 'state.json');
    await rm(partial, { recursive: true, force: true });
  }
}

/** Returns the reason why a checkpoint cannot be used; null if every file exists with the right content. */
export async function problemOf(path: string, onBytes?: OnBytes): Promise<string | null> {
  const state = readState(path);
  if (!state) return 'state.json is missing or cannot be read';
  for (const [name, expected] of Object.entries((state['files'] ?? {}) as Record<string, FileEntry>)) {
    const found = await describeFile(join(path, name), onBytes).catch(() => null);
    if (!found) return `${name} is missing or cannot be read`;
    if (found.bytes !== expected.bytes) return `${name} has ${found.bytes} bytes, expected ${expected.bytes}`;
    if (found.sha256 !== expected.sha256) return `the content of ${name} has changed since it was written`;
  }
  return null;
}

/**
 * Returns the newest checkpoint whose files match their hashes, and its state.
 *
 * @param onBytes called while the files are read, which takes a while for large ones
 * @throws RunError if there is none
 *
 * @example
 * ```ts
 * const { path, state } = await newestCheckpoint('runs/mine');
 * console.log(path, state.step);
 * ```
 */
export async function newestCheckpoint(
  run: string,
  onBytes?: OnBytes,
): Promise<RunCheckpoint & { state: CheckpointState }> {
  const problems: string[] = [];
  for (const checkpoint of listCheckpoints(run).reverse()) {
    const problem = await problemOf(checkpoint.path, onBytes);
    if (problem === null) return { ...checkpoint, state: readState(checkpoint.path) as CheckpointState };
    problems.push(`${nameOf(checkpoint.step)}: ${problem}`);
  }
  throw new RunError(
    problems.length === 0
      ? `${run} has no complete checkpoint: it was stopped before its first one. Start a new run.`
      : `${run} has no usable checkpoint (${problems.join('; ')}). Restore the files from a copy, or start a new run.`,
  );
}

/**
 * Returns the best checkpoint by a metric, or by the first of several that any checkpoint has, if its files match their
 * hashes.
 *
 * @throws RunError if none has it, or the best one is damaged
 */
export async function intactBest(
  run: string,
  measures: readonly Measure[],
  onBytes?: OnBytes,
): Promise<RunCheckpoint & { state: CheckpointState }> {
  const best = bestCheckpoint(run, measures);
  if (best) return intact(best, onBytes);
  const names = measures.map(({ name }) => name).join(' or ');
  throw new RunError(
    `${run} has no checkpoint with a value of ${names}, by which one would be the best: take the newest, or one by its step`,
  );
}

/**
 * Returns the checkpoint of a step, if its files match their hashes.
 *
 * @throws RunError if there is none, or it is damaged
 */
export async function intactOfStep(
  run: string,
  step: number,
  onBytes?: OnBytes,
): Promise<RunCheckpoint & { state: CheckpointState }> {
  const all = listCheckpoints(run);
  const found = all.find((checkpoint) => checkpoint.step === step);
  if (found) return intact(found, onBytes);
  throw new RunError(
    `${run} has no checkpoint of step ${step}; it has those of ${all.map((kept) => kept.step).join(', ') || 'none'}`,
  );
}

async function intact(checkpoint: RunCheckpoint, onBytes?: OnBytes) {
  const problem = await problemOf(checkpoint.path, onBytes);
  if (problem === null) return { ...checkpoint, state: readState(checkpoint.path) as CheckpointState };
  throw new RunError(`${checkpoint.path}: ${problem}. Restore it from a copy, or take another checkpoint`);
}

/** Returns the state of the newest checkpoint that has one, whose other files are not read; null if there is none. */
export function newestState(run: string): CheckpointState | null {
  for (const { path } of listCheckpoints(run).reverse()) {
    const state = readState(path);
    if (state) return state;
  }
  return null;
}

function readState(path: string): CheckpointState | null {
  return jsonIn(join(path, 'state.json')) as CheckpointState | null;
}

/** Called with the operation on a large file, and with the number of bytes that are done. */
export type OnBytes = (what: string, done: number, total: number) => void;

/** Reads a file's size and hash. @throws the system's error */
export async function describeFile(path: string, onBytes?: OnBytes): Promise<FileEntry> {
  const hash = createHash('sha256');
  const { size: bytes } = await stat(systemPath(path));
  let done = 0;
  const tell = () => onBytes?.(`checking ${basename(path)}`, done, bytes);
  tell();
  for await (const chunk of createReadStream(systemPath(path), { highWaterMark: 2 ** 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    tell();
  }
  return { bytes, sha256: hash.digest('hex') };
}
