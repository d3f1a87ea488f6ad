/** Stops runs at a given step, which the command line cannot do, through trainers with the settings of a whole run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Api, Rows } from './checkout.js';

/** A run to repeat up to a step; folders are relative to the process. */
export interface StoppedRun {
  name: string;
  stage: 'vqgan' | 'transformer';
  /** The whole run, whose stored configuration is used. */
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

/** Stops each run and returns where it ended. */
export async function stopRuns(api: Api, runs: readonly StoppedRun[]): Promise<Rows> {
  const rows: Rows = {};
  for (const run of runs) {
    rows[run.name] = await stop(api, run).catch((error: Error) => `failed: ${error.message}`);
  }
  return rows;
}
