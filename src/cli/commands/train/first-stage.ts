/** Configuration that a run takes from another one: from its first stage, or from the run that it begins with. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { valueAt } from '../../../config/interpolation.js';
import type { Stage } from '../../../runs/config.js';
import { readConfig } from '../../../runs/folder.js';
import { RunError } from '../../../runs/error.js';
import { UsageError } from '../../usage-error.js';
import { hasModel } from './config.js';
import type { ConfigTree } from './config-files.js';

/**
 * Returns the image settings of the first stage, so that a transformer sees the same images.
 *
 * @throws RunError if `run` is not a run of a VQGAN
 */
export async function inheritedConfig(run: string): Promise<ConfigTree> {
  const { stage, data } = await readConfig(run);
  if (stage !== 'vqgan')
    throw new RunError(`${run} is the run of a ${stage}; --vqgan takes the run of a VQGAN`);
  return { data: { ...data } };
}

/**
 * Returns model and image settings of the run whose weights `--from` names; nothing for a checkpoint file.
 *
 * @param given everything that the command line and its files say
 * @throws RunError for a run of the other stage; UsageError for a file whose model is not described
 */
export async function configOfStart(stage: Stage, given: ConfigTree): Promise<ConfigTree> {
  const from = valueAt(given, ['training', 'from']);
  if (typeof from !== 'string') return {};
  if (!existsSync(join(from, 'config.yaml'))) {
    if (hasModel(given)) return {};
    throw new UsageError(
      `--from ${from}: a checkpoint file does not describe its model; name its YAML file with -c, or make a run of it with ` +
        'npx tessera-torch import',
    );
  }
  const { stage: found, model, data } = await readConfig(from);
  if (found !== stage) {
    throw new RunError(`--from ${from}: this is the run of a ${found}; name the run of a ${stage}`);
  }
  return { model: { ...model }, data: { ...data } };
}
