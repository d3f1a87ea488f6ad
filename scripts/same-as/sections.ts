/** The sections of the comparison, the fastest first. */
import { withoutAdded, withoutAddedInRuns } from './added-settings.js';
import type { Checkout, Rows } from './checkout.js';
import { askConfigs, presetNames } from './configs.js';
import { unlikeFrozen } from './frozen-mistakes.js';
import { askCommandMistakes } from './mistakes-commands.js';
import { askOldRuns } from './old-runs.js';
import { failing } from './run-rows.js';
import { askRuns } from './runs.js';

export interface Section {
  name: string;
  what: string;
  ask(checkout: Checkout): Promise<Rows>;
  /** True if a row that only this checkout has was added, which is not a difference. */
  grows?: boolean;
  /** Makes the rows of both checkouts comparable. */
  prepare?(other: Rows, own: Rows): [other: Rows, own: Rows];
  /** Returns what is wrong with the rows of this checkout by themselves. */
  check?(own: Rows): string[];
}

export const sections: readonly Section[] = [
  {
    name: 'exports',
    what: 'names that the public entry exports',
    ask: (checkout) => checkout.ask('exports'),
    grows: true,
  },
  {
    name: 'states',
    what: 'state dicts of every model class: keys in order, dtypes, shapes, weights by a seed',
    ask: (checkout) => checkout.ask('states'),
  },
  {
    name: 'tokens',
    what: 'tokens and images drawn from fixed transformers, by every way of sampling',
    ask: (checkout) => checkout.ask('tokens'),
  },
  {
    name: 'configs',
    what: '--print-config of every preset and stage, as text',
    ask: (checkout) => askConfigs(checkout, presetNames(checkout.root)),
    grows: true,
    prepare: (other, own) => withoutAdded(other, own),
  },
  {
    name: 'mistakes',
    what: 'messages of mistakes in calls of the public entry',
    ask: (checkout) => checkout.ask('mistakes'),
    check: (own) => unlikeFrozen('calls', own),
  },
  {
    name: 'commands',
    what: 'messages and exit codes of mistakes on the command line and in files',
    ask: askCommandMistakes,
    check: (own) => unlikeFrozen('commands', own),
  },
  {
    name: 'old-runs',
    what: 'results of runs of version 0.1: images, samples, resumed for two steps',
    ask: askOldRuns,
    prepare: withoutAddedInRuns,
    check: failing,
  },
  {
    name: 'runs',
    what: 'tiny runs of both stages, stopped and resumed: checkpoints, metrics, images; samples from them',
    ask: askRuns,
    prepare: withoutAddedInRuns,
    check: failing,
  },
];
