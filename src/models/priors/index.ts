/** All priors, and their registry. To add one, add its file, and an export and an entry here. */
import type { Schema } from '../../config/schema.js';
import { describeGpt } from './gpt-config.js';
import { GPT } from './gpt.js';
import type { Prior } from './prior.js';

export * from './gpt.js';

/** A prior's class, and how it is recognised in configurations and weights. */
export interface PriorEntry {
  readonly Class: (new (config: never) => Prior) & {
    readonly schema: Schema & Readonly<Record<'vocabSize' | 'blockSize', unknown>>;
  };
  /** Its name in configurations, if the reference has the class. Default: `tessera.priors.NAME`. */
  readonly target?: string;
  /** Returns what `inspect` prints for its weights, given their shapes by key; null if they belong to another model. */
  readonly describe?: (shapes: ReadonlyMap<string, readonly number[]>) => string | null;
}

/** Priors by their name under `tessera.priors` in configurations. */
export const priors: Readonly<Record<string, PriorEntry>> = {
  GPT: { Class: GPT, target: 'taming.modules.transformer.mingpt.GPT', describe: describeGpt },
};
