/** Content of a run folder, without times and rates. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { parse } from 'yaml';
import type { Rows } from './checkout.js';

/** Fields of metrics, states and events with times and rates. */
const OF_TIME = new Set([
  'seconds',
  'stepsPerSecond',
  'imagesPerSecond',
  'dataWait',
  'remaining',
  'eta',
  'time',
]);

/** Metrics that runs have gained since; all others must be equal. */
const ADDED_METRICS = new Set(['ssim']);
/** Their lines in model cards. */
const ADDED_IN_CARDS = /^\| SSIM /;
/** Images that runs have gained since. */
const ADDED_IMAGES = /(^|\/)log-images-\d+\.png$/;

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Returns JSON without the fields of times and rates and without added metrics, at any depth; with an `indent`, one line
 * per value.
 */
export function timeless(json: string, indent = 0): string {
  const left = (key: string) => OF_TIME.has(key) || ADDED_METRICS.has(key);
  const parsed: unknown = JSON.parse(json, (key, value: unknown) => (left(key) ? undefined : value));
  return JSON.stringify(parsed, null, indent);
}

/** Returns the lines of a file of JSON lines without times and rates. */
export function timelessLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => timeless(line));
}

/** Returns the settings of a configuration in YAML, in the order of their names. */
export function sortedSettings(config: string): string {
  const sorted = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, sorted(inner)]),
        )
      : value;
  return JSON.stringify(sorted(parse(config)), null, 1);
}

/** Returns what is wrong with rows by themselves: commands that failed, and resumed runs unlike the whole ones. */
export function failing(rows: Rows): string[] {
  return Object.entries(rows).flatMap(([name, value]) => [
    ...(/^exit code (?!0$)/m.test(value) ? [`${name}: ${value}`] : []),
    ...(/^NOT as the whole run/m.test(value) ? [`${name}: ${value.split('\n').at(-1)}`] : []),
  ]);
}

/** Returns all files below a folder, sorted. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !ADDED_IMAGES.test(name))
    .sort();
}

/** Returns a hash of the pixels of an image, as its file also contains how it was made. */
export async function pixelsOf(file: string): Promise<string> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return `${info.width}×${info.height}×${info.channels} ${sha256(data)}`;
}

/** Returns a line with the hash of the pixels for every PNG below a folder. */
export async function imagesOf(folder: string): Promise<string> {
  const names = filesBelow(folder).filter((name) => name.endsWith('.png'));
  const lines = await Promise.all(names.map(async (name) => `${name} ${await pixelsOf(join(folder, name))}`));
  return lines.join('\n');
}

/** Returns the hashes of the files of a checkpoint, and its state. */
function checkpointRows(path: string): Rows {
  const rows: Rows = {};
  for (const name of filesBelow(path)) {
    const bytes = readFileSync(join(path, name));
    rows[name] = name.endsWith('.json') ? timeless(bytes.toString(), 1) : sha256(bytes);
  }
  return rows;
}

/**
 * Returns the numbers in the text and the tables of a model card, whose wording may change. Left out are examples, added
 * metrics, and the configuration, which is a row of its own.
 */
export function numbersOf(card: string): string {
  const text = card.replace(/\n## Model\n[^]*/, '').replaceAll(/^```\n[^]*?^```$/gm, '');
  const lines = text.split('\n').filter((line) => !ADDED_IN_CARDS.test(line));
  return (lines.join('\n').match(/-?\d+(\.\d+)?/g) ?? []).join(' ');
}

/** Returns the checkpoints, metrics, images, configuration and files of a run. */
export async function runRows(run: string): Promise<Rows> {
  const rows: Rows = {};
  for (const step of existsSync(join(run, 'checkpoints'))
    ? readdirSync(join(run, 'checkpoints')).sort()
    : []) {
    for (const [name, value] of Object.entries(checkpointRows(join(run, 'checkpoints', step))))
      rows[`${step}/${name}`] = value;
  }
  const metrics = join(run, 'metrics.jsonl');
  if (existsSync(metrics)) rows['metrics.jsonl'] = timelessLines(readFileSync(metrics, 'utf8')).join('\n');
  rows['images'] = await imagesOf(join(run, 'images'));
  const config = join(run, 'config.yaml');
  if (existsSync(config)) rows['config.yaml'] = readFileSync(config, 'utf8');
  const card = join(run, 'README.md');
  if (existsSync(card)) {
    rows['README.md'] = readFileSync(card, 'utf8').replace(/\d+ seconds/, '… seconds');
    rows['README.md: numbers'] = numbersOf(rows['README.md']);
  }
  const codes = join(run, 'codes.safetensors');
  if (existsSync(codes)) rows['codes.safetensors'] = sha256(readFileSync(codes));
  rows['files'] = filesBelow(run).join('\n');
  return rows;
}
