import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { replaceFolder } from '../files/folder.js';
import { removeLeftovers, temporaryOf } from '../files/temporary.js';
import { LPIPS_PREFIX } from '../models/registry/without-loss.js';
import type { Tensor } from '../torch/index.js';
import { describeFile, writeCheckpoint, type OnBytes } from './checkpoint.js';
import type { OpenedFile } from './checkpoint-file.js';
import { RunError, writeError } from './error.js';
import { checkRunIsNew, checkWritable, writeConfig, writeEnvironment } from './folder.js';

/**
 * Makes a run folder, with one checkpoint at step 0, of a model that was trained elsewhere. A transformer's holds its
 * first stage, as that of every run of one does. The folder gets its name only when it is complete.
 *
 * @param file checkpoint file, recorded with its hash
 * @param card text of README.md
 * @param classes names of the classes that it was trained on
 * @throws RunError if the folder is not new or not writable; the signal's reason if it aborts
 */
export async function writeImportedRun(
  run: string,
  { stage, config, model, tensors, prefix }: Omit<OpenedFile, 'notes'>,
  {
    file,
    card,
    classes = [],
    signal,
    onBytes,
  }: { file: string; card: string; classes?: readonly string[]; signal?: AbortSignal; onBytes?: OnBytes },
): Promise<void> {
  checkRunIsNew(run);
  if (existsSync(run) && readdirSync(run).length > 0) {
    throw new RunError(`${run} is a folder with other files; give the run another name`);
  }
  checkWritable(run);
  const target = resolve(run);
  const partial = temporaryOf(target, 'partial');
  removeLeftovers(dirname(target));
  try {
    await mkdir(partial, { recursive: true });
    await writeConfig(partial, stage, config);
    const imported = { file: resolve(file), ...(await describeFile(file, onBytes)) };
    await writeEnvironment(partial, { imported });
    signal?.throwIfAborted();
    const weights = new Map([...model.stateDict(), ...discriminator(tensors, prefix)]);
    const named = classes.length > 0 && { classes };
    const state = { step: 0, metrics: {}, stage, imported, optimizers: {}, ...named };
    await writeCheckpoint(partial, state, { model: weights, optimizer: new Map() }, onBytes);
    await writeFile(join(partial, 'README.md'), card);
    signal?.throwIfAborted();
    await replaceFolder(partial, target, 'config.yaml');
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw writeError(run, error, 'Name a folder that can be written to.');
  }
}

/** Returns the tensors of the training loss, with which a run that begins from this one goes on. */
function discriminator(tensors: OpenedFile['tensors'], prefix: string): [string, Tensor][] {
  return [...tensors.keys()].flatMap<[string, Tensor]>((key) => {
    const name = key.startsWith(prefix) ? key.slice(prefix.length) : '';
    return name.startsWith('loss.') && !name.startsWith(LPIPS_PREFIX) ? [[name, tensors.get(key)!]] : [];
  });
}
