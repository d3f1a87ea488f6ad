/** Started by `Checkout.ask` as ask.ts CHECKOUT SUBJECT ANSWER INPUT; writes the answer of the public entry. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Api, Rows } from './checkout.js';
import { askMistakes } from './mistakes-api.js';
import { askStates, exportedNames, writeLpips } from './states.js';
import { stopRuns } from './stopped-runs.js';
import { askOldRunAnswers, recordedAnswers } from './old-run-answers.js';
import { sampledTokens } from './tokens.js';

const subjects: Record<string, (api: Api, input: never) => Rows | Promise<Rows>> = {
  mistakes: askMistakes,
  states: askStates,
  exports: exportedNames,
  lpips: writeLpips,
  'old-runs': askOldRunAnswers,
  'old-run-answers': recordedAnswers,
  stop: stopRuns,
  tokens: sampledTokens,
};

const [root, subject, answer, input] = process.argv.slice(2) as [string, string, string, string];
const api = (await import(pathToFileURL(join(root, 'dist', 'index.js')).href)) as Api;
const rows = await subjects[subject]!(api, JSON.parse(input) as never);
writeFileSync(answer, JSON.stringify(rows));
