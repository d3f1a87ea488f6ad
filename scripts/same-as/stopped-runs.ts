/** Runs stopped at a step, which the command line cannot: a trainer with the configuration of a run that was not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Api, Rows } from './checkout.js';

/** A run to do again up to a step; folders as the process sees them. */
export interface StoppedRun {
  name: string;
  stage: 'vqgan' | 'transformer';
  /** The undisturbed run, whose stored configuration is taken. */
  whole: string;
  run: string;
  step: number;
}

async function stop(api: Api, { stage, whole, run, step }: StoppedRun): Promise<string> {
  const { stage: _, ...config } = parse(readFileSync(join(whole, 'config.yaml'), 'utf8')) as {
    stage: string;
  };
  const trainer =
    stage === 'vqgan'
      ? await api.VqganTrainer.create(config, { run })
      : await api.TransformerTrainer.create(config, { run });
  const controller = new AbortController();
  let last = '';
  for await (const event of trainer.run({ signal: controller.signal })) {
    if (event.type === 'step' && event.step === step) controller.abort();
    if (event.type === 'end') last = `step ${event.step}, interrupted: ${event.interrupted}`;
  }
  return last;
}

/** Stops each run, and tells where it ended. */
export async function stopRuns(api: Api, runs: readonly StoppedRun[]): Promise<Rows> {
  const rows: Rows = {};
  for (const run of runs) {
    rows[run.name] = await stop(api, run).catch((error: Error) => `failed: ${error.message}`);
  }
  return rows;
}
