/** Files of a run besides its checkpoints: configuration, environment, metrics. */
import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { cpus, hostname, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { yaml } from '../config/yaml.js';
import { attempt } from '../files/look.js';
import { writeAtomically } from '../files/atomic-file.js';
import * as torch from '../torch/index.js';
import { packageVersion } from '../files/package.js';
import type { RunConfig, Stage } from './config.js';
import { RunError, unwritten, writeError } from './error.js';

/** Returns the file in which a run limited by time records its progress at each step. */
export const progressJournal = (run: string) => join(run, 'progress.f64');

/** @throws RunError if the folder already contains a run */
export function checkRunIsNew(run: string): void {
  if (existsSync(join(run, 'config.yaml')) || existsSync(join(run, 'checkpoints'))) {
    throw new RunError(`${run} already contains a run. Resume it, or give the new run another name.`);
  }
}

/** @throws RunError if the folder, or its nearest existing parent, is not writable */
export function checkWritable(run: string): void {
  let place = resolve(run);
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  try {
    if (!statSync(place).isDirectory()) throw Object.assign(new Error('ENOTDIR'), { code: 'ENOTDIR' });
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw writeError(run, error, 'Name a folder that can be written to.');
  }
}

/** Creates the folder of a new run. */
export async function makeRunFolder(run: string): Promise<void> {
  const way = 'Name a folder that can be written to.';
  await mkdir(join(run, 'images'), { recursive: true }).catch(unwritten(run, way));
}

/** Content of config.yaml: the stage, then the resolved configuration. */
export type StoredConfig = RunConfig & { stage: Stage };

export async function writeConfig(run: string, stage: Stage, config: RunConfig): Promise<void> {
  await replaceFile(join(run, 'config.yaml'), yaml().stringify({ stage, ...config }, { lineWidth: 110 }));
}

/** Format version of run folders, raised when older versions could not read them. Folders without a number have 1. */
const FORMAT = 1;

/** @throws RunError if the folder was written by a version with a different format */
function checkFormat(run: string): void {
  const other = formatsOf(run).find((format) => format !== FORMAT);
  if (other === undefined) return;
  throw new RunError(
    `${run} was written by a newer tessera-torch (format ${JSON.stringify(other)}); this version reads format ${FORMAT}: update tessera-torch`,
  );
}

function formatsOf(run: string): unknown[] {
  // A damaged file hides only its format version, which is not essential.
  const formats = () => (readStarts(run) as { format?: unknown }[]).map(({ format = FORMAT }) => format);
  return attempt(formats) ?? [];
}

/**
 * @throws RunError if the folder is not a run, or one of a newer format
 */
export async function readConfig(run: string): Promise<StoredConfig> {
  const path = join(run, 'config.yaml');
  if (!existsSync(path)) {
    throw new RunError(
      existsSync(run)
        ? `${run} is not a run: it has no config.yaml; name the folder that training wrote`
        : `there is no run at ${run}; name the folder that training wrote`,
    );
  }
  checkFormat(run);
  try {
    return yaml().parse(await readFile(path, 'utf8')) as StoredConfig;
  } catch (cause) {
    throw new RunError(
      `${path} cannot be read; correct it, or restore it from a copy: ${(cause as Error).message.split('\n')[0]}`,
      { cause },
    );
  }
}

/** Appends the environment of a start or resume to environment.json. */
export async function writeEnvironment(run: string, details: Record<string, unknown>): Promise<void> {
  const starts = readStarts(run);
  starts.push({
    time: new Date().toISOString(),
    format: FORMAT,
    tessera: packageVersion(),
    libtorch: torch.version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    host: hostname(),
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memoryBytes: totalmem(),
    command: process.argv.slice(1),
    ...details,
  });
  await replaceFile(environmentOf(run), `${JSON.stringify(starts, null, 2)}\n`);
}

const environmentOf = (run: string) => join(run, 'environment.json');

/** Returns all starts listed in environment.json; none if there is no such file. */
function readStarts(run: string): unknown[] {
  const path = environmentOf(run);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as unknown[]) : [];
}

/** Replaces a file atomically: readers see the old text or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const way = 'Nothing was changed: resume the run once this is fixed.';
  await writeAtomically(path, text).catch(unwritten(path, way));
}

/** A line of metrics.jsonl. A resumed run adds a line `{ step, resumed: true }` and continues from that step. */
export type MetricsRecord = { step: number; resumed?: boolean } & Record<string, unknown>;

export function appendMetrics(run: string, record: MetricsRecord): void {
  const path = join(run, 'metrics.jsonl');
  try {
    // A killed process may have left half a line, which must not corrupt the next one.
    const start = record.resumed && !endsWithNewline(path) ? '\n' : '';
    appendFileSync(path, `${start}${JSON.stringify(record)}\n`);
  } catch (error) {
    throw writeError(path, error, 'The checkpoints are intact: resume the run once this is fixed.');
  }
}

function endsWithNewline(path: string): boolean {
  if (!existsSync(path) || statSync(path).size === 0) return true;
  const last = Buffer.alloc(1);
  const file = openSync(path, 'r');
  try {
    readSync(file, last, 0, 1, statSync(path).size - 1);
  } finally {
    closeSync(file);
  }
  return last[0] === 0x0a;
}

/**
 * Returns the records of a run in order of steps; steps repeated by a resumed run replace the earlier ones.
 *
 * @example
 * ```ts
 * for (const { step, losses } of readMetrics('runs/mine')) console.log(step, losses);
 * ```
 */
export function readMetrics(run: string): MetricsRecord[] {
  const path = join(run, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  let records: MetricsRecord[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const record = attempt(() => JSON.parse(line) as MetricsRecord);
    if (record === null) continue;
    if (record.resumed) records = records.filter(({ step }) => step <= record.step);
    else records.push(record);
  }
  return records;
}
