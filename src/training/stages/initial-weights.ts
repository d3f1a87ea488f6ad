/**
 * Initial weights of a new run, from the checkpoint or the run that `training.from` names, or else from
 * `model.params.ckpt_path`, as in the reference.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LPIPS_PREFIX } from '../../models/registry/without-loss.js';
import { ignoreKeysOf, loadFrom } from '../../models/weights/initial.js';
import type { LoadReport } from '../../models/weights/load.js';
import { loadCheckpoint, type Checkpoint } from '../../torch/io/index.js';
import type { Module } from '../../torch/nn/index.js';
import type { RunConfig } from '../../runs/config.js';
import { RunError } from '../../runs/error.js';
import type { Run } from '../../runs/run.js';
import { usedOf } from '../../runs/settings.js';
import { openRunWeights } from '../../runs/weights.js';

/** An open checkpoint to initialise a model from. */
export interface InitialWeights {
  /** Source of the weights, for messages. */
  readonly path: string;
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

/**
 * Keys whose tensors grow or shrink with the number of codes, tokens or positions. The parts of a transformer that are
 * not trained are not among them.
 */
const RESIZED =
  /^(transformer\.)?(tok_emb\.weight|head\.weight|pos_emb|blocks\.\d+\.attn\.mask)$|^quantize\.(embed(ding)?|proj)\./;

async function openInitialWeights(config: RunConfig): Promise<InitialWeights | null> {
  const { model, training } = config;
  if (training.from !== undefined) return openFrom(training.from, config);
  const params = model.params ?? {};
  const path = params['ckpt_path'];
  if (path === undefined || path === null) return null;
  const at = 'model.params.ckpt_path';
  if (typeof path !== 'string')
    throw new TypeError(`${at} must be the path of a checkpoint file, got ${JSON.stringify(path)}`);
  return openWeights(path, { path, at, ignore: [...ignoreKeysOf(params), LPIPS_PREFIX] });
}

/** Opens the weights that `training.from` names. Parts that have runs of their own are left to those. */
async function openFrom(from: string, { training }: RunConfig): Promise<InitialWeights> {
  const ignore = [
    LPIPS_PREFIX,
    'first_stage_model.loss.',
    'cond_stage_model.loss.',
    ...(training.vqgan === undefined ? [] : ['first_stage_model.']),
    ...(training.condition === undefined ? [] : ['cond_stage_model.']),
  ];
  const how = { path: from, at: 'training.from', ignore, resize: RESIZED };
  if (!isRun(from)) return openWeights(from, how);
  const { tensors, ema, close } = await openRunWeights(from, usedOf(training));
  const path = ema ? `${from} (moving average)` : from;
  return initialFrom({ tensors, close }, { ...how, path });
}

/** Opens a checkpoint file that the setting `at` names by `path`. */
async function openWeights(
  file: string,
  { path, ...options }: { path: string; at: string; ignore: string[]; resize?: RegExp },
): Promise<InitialWeights> {
  checkFile(file, options.at);
  return initialFrom(await loadCheckpoint(file), { path, ...options });
}

/** Returns the weights of an open checkpoint. */
function initialFrom(
  checkpoint: Pick<Checkpoint, 'tensors' | 'close'>,
  { path, at, ...options }: { path: string; at: string; ignore: string[]; resize?: RegExp },
): InitialWeights {
  return {
    path,
    fill(net) {
      try {
        return loadFrom(net, checkpoint.tensors, { ...options, strict: false });
      } catch (cause) {
        throw new RunError(`${at}: ${path} does not match the model: ${(cause as Error).message}`, { cause });
      }
    },
    close: () => checkpoint.close(),
  };
}

const isRun = (path: string): boolean => existsSync(join(path, 'config.yaml'));

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
export function noteStart(run: Run, model: Module, initial: InitialWeights | null): LoadReport | null {
  if (initial === null) return null;
  const report = initial.fill(model);
  run.notes.push(describeStart(initial.path, report));
  return report;
}

/** Returns a note about the initial weights of a run. */
function describeStart(path: string, report: LoadReport): string {
  const { prefix, loaded, missing, unexpected, resized, misshapen } = report;
  const shown = (what: string, keys: readonly string[]): string[] =>
    keys.length === 0
      ? []
      : [`${what} ${keys.length} (${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ', …' : ''})`];
  const parts = [
    `${loaded.length} tensors${prefix === '' ? '' : ` under "${prefix}"`} loaded from ${path}`,
    ...shown(
      'missing from it and left as initialised:',
      missing.filter((key) => !key.startsWith(LPIPS_PREFIX)),
    ),
    ...shown(
      'of another size, the rest left as initialised:',
      resized.map(({ key }) => key),
    ),
    ...shown(
      'of another shape and left as initialised:',
      misshapen.map(({ key }) => key),
    ),
    ...shown('not used:', unexpected),
  ];
  return parts.join('; ');
}
