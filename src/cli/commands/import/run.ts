/** Implementation of `tessera-torch import`, after the command line is parsed. Loads libtorch. */
import { join } from 'node:path';
import { describeWeights } from '../../../models/weights/describe.js';
import { importedCard, usesOfImport } from '../../../reports/model-card.js';
import { describeCheckpointFile, withWeights, type OpenedFile } from '../../../runs/checkpoint-file.js';
import { checkRunIsNew } from '../../../runs/folder.js';
import { writeImportedRun } from '../../../runs/import.js';
import { byteProgress } from '../../byte-progress.js';
import { interruptSignal } from '../../interrupt.js';
import { UsageError } from '../../usage-error.js';
import type { ImportFlags } from './command.js';

export async function importFile(file: string, flags: ImportFlags): Promise<void> {
  const signal = interruptSignal();
  const { config, lookup, ema, size } = flags;
  if (config === undefined) {
    throw new UsageError(
      'name the YAML file of the model with --config; a checkpoint does not describe its model',
    );
  }
  const run = join(flags.out, flags.name);
  checkRunIsNew(run);
  const described = await describeCheckpointFile({ checkpoint: file, config, lookup, ema }, undefined);
  const progress = byteProgress(flags);
  const write = async (found: OpenedFile) => {
    const data = { ...found.config.data, ...(size !== undefined && { size }) };
    const opened = { ...found, config: { ...found.config, data } };
    const { stage, notes, model } = opened;
    const state = model.stateDict();
    const [what = stage] = describeWeights(new Map([...state].map(([key, { shape }]) => [key, shape])));
    const card = importedCard(run, { stage, config: opened.config, file, what, notes });
    await writeImportedRun(run, opened, { file, card, signal, onBytes: progress.tell });
    progress.end();
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ run, stage, model: what, size: data.size, notes })}\n`);
    if (flags.json || flags.quiet) return;
    const next = usesOfImport(run, stage, opened.config).map((command) => `next: ${command}\n`);
    process.stdout.write(
      `${what}, ${data.size} × ${data.size} pixels\n${notes.join('\n')}\nimported into ${run}\n${next.join('')}`,
    );
  };
  await withWeights(described, write, progress.tell).finally(progress.end);
}
