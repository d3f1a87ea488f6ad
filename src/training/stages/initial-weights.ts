/** Initial weights of a new run, from the checkpoint that `model.params.ckpt_path` names, as in the reference. */
import { existsSync, statSync } from 'node:fs';
import { ignoreKeysOf, loadFrom } from '../../models/weights/initial.js';
import type { LoadReport } from '../../models/weights/load.js';
import { loadCheckpoint } from '../../torch/io/index.js';
import type { Module } from '../../torch/nn/index.js';
import type { RunConfig } from '../../runs/config.js';
import { RunError } from '../../runs/error.js';
import type { Run } from '../../runs/run.js';

/** LPIPS weights come from their own file, so that every run uses the same ones. */
const LPIPS = 'loss.perceptual_loss.';

/** An open checkpoint to initialise a model from. */
export interface InitialWeights {
  /**
   * Loads the weights into a model, except the keys in `ignore_keys`; keys that the file lacks are left unchanged.
   *
   * @throws RunError if shapes differ, or if no key matches
   */
  fill(model: Module): LoadReport;
  close(): void;
}

/**
 * Calls the function with the checkpoint of `model.params.ckpt_path`, or with null if none is named.
 *
 * @throws RunError if there is no such file
 */
export async function withInitialWeights<T>(
  config: RunConfig,
  use: (initial: InitialWeights | null) => T | Promise<T>,
): Promise<T> {
  const initial = await openInitialWeights(config);
  try {
    return await use(initial);
  } finally {
    initial?.close();
  }
}

async function openInitialWeights({ model }: RunConfig): Promise<InitialWeights | null> {
  const params = model.params ?? {};
  const path = params['ckpt_path'];
  if (path === undefined || path === null) return null;
  const at = 'model.params.ckpt_path';
  if (typeof path !== 'string')
    throw new TypeError(`${at} must be the path of a checkpoint file, got ${JSON.stringify(path)}`);
  checkFile(path, at);
  const ignore = [...ignoreKeysOf(params), LPIPS];
  const checkpoint = await loadCheckpoint(path);
  return {
    fill(net) {
      try {
        return loadFrom(net, checkpoint.tensors, { ignore, strict: false });
      } catch (cause) {
        throw new RunError(`${at}: ${path} does not match the model: ${(cause as Error).message}`, { cause });
      }
    },
    close: () => checkpoint.close(),
  };
}

/** @throws RunError if there is no such file; `at` is the setting that names it */
export function checkFile(path: string, at: string): void {
  if (!existsSync(path)) {
    throw new RunError(`${at}: there is no file ${path}; name a checkpoint, or remove the setting`);
  }
  if (statSync(path).isDirectory()) {
    throw new RunError(`${at}: ${path} is a folder; name a checkpoint file in it`);
  }
}

/** Loads the initial weights into a new run's model, if it has any, and notes what was loaded. */
export function noteStart(
  run: Run,
  config: RunConfig,
  model: Module,
  initial: InitialWeights | null,
): LoadReport | null {
  if (initial === null) return null;
  const report = initial.fill(model);
  run.notes.push(describeStart(config.model.params!['ckpt_path'] as string, report));
  return report;
}

/** Returns a note about the initial weights of a run. */
function describeStart(path: string, report: LoadReport): string {
  const { prefix, loaded, missing, unexpected } = report;
  const shown = (what: string, keys: readonly string[]): string[] =>
    keys.length === 0
      ? []
      : [`${what} ${keys.length} (${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ', …' : ''})`];
  const parts = [
    `${loaded.length} tensors${prefix === '' ? '' : ` under "${prefix}"`} loaded from ${path}`,
    ...shown(
      'missing from it and left as initialised:',
      missing.filter((key) => !key.startsWith(LPIPS)),
    ),
    ...shown('not used:', unexpected),
  ];
  return parts.join('; ');
}
