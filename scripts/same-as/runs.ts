/** Tiny runs of both stages through the command line; each is also stopped half-way and resumed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkout, Outcome, Rows } from './checkout.js';
import { differences } from './compare.js';
import { runCases, STOP } from './run-cases.js';
import { imagesOf, runRows, sortedSettings, timelessLines } from './run-rows.js';

/** Returns the exit code of a command, and its output if it failed. */
function ending(checkout: Checkout, { code, stdout, stderr }: Outcome): string {
  return code === 0 ? 'exit code 0' : checkout.masked(`exit code ${code}\n${stderr}${stdout}`);
}

function prefixed(prefix: string, rows: Rows): Rows {
  return Object.fromEntries(Object.entries(rows).map(([name, value]) => [`${prefix}: ${name}`, value]));
}

/** Returns the rows that a resumed run must equal: without the mark of resuming and the order of settings. */
function comparable({
  files: _files,
  'README.md': _card,
  'README.md: numbers': _numbers,
  'metrics.jsonl': metrics = '',
  'config.yaml': config = '',
  ...rows
}: Rows): Rows {
  const lines = metrics.split('\n').filter((line) => !line.includes('"resumed":true'));
  return { ...rows, metrics: lines.join('\n'), config: sortedSettings(config) };
}

/** Returns the names of rows in which a resumed run differs from the whole one. */
function unlike(whole: Rows, resumed: Rows): string[] {
  return differences(comparable(whole), comparable(resumed)).map(({ row }) => row);
}

/** Returns the events of a run, and what it noted at its start, the wording of which may change. */
function eventRows(output: string): Rows {
  const events = timelessLines(output).map((line) => JSON.parse(line) as { notes?: string[] });
  return {
    events: events.map(({ notes: _, ...event }) => JSON.stringify(event)).join('\n'),
    notes: events.flatMap(({ notes = [] }) => notes).join('\n'),
  };
}

/** Runs everything from start to end; returns the rows of each run by its name. */
async function wholeRuns(checkout: Checkout): Promise<Map<string, Rows>> {
  const done = new Map<string, Rows>();
  for (const { name, stage, config } of runCases) {
    const file = `${name}.yaml`;
    writeFileSync(join(checkout.folder, file), JSON.stringify(config));
    const outcome = await checkout.tessera([
      'train',
      stage,
      '-c',
      file,
      '--out',
      'runs',
      '--name',
      name,
      '--json',
    ]);
    const rows = await runRows(join(checkout.folder, 'runs', name));
    done.set(name, {
      end: ending(checkout, outcome),
      ...eventRows(checkout.masked(outcome.stdout)),
      ...rows,
    });
  }
  return done;
}

async function resumedRuns(checkout: Checkout, whole: Map<string, Rows>): Promise<Rows> {
  const cases = runCases.filter(({ name }) => whole.get(name)?.['end'] === 'exit code 0');
  const stopped = await checkout.ask(
    'stop',
    cases.map(({ name, stage }) => ({
      name,
      stage,
      whole: `runs/${name}`,
      run: `stopped/${name}`,
      step: STOP,
    })),
  );
  const rows: Rows = prefixed('stopped', stopped);
  for (const { name, stage } of cases) {
    const outcome = await checkout.tessera(['train', stage, '--resume', `stopped/${name}`, '--quiet']);
    const resumed = await runRows(join(checkout.folder, 'stopped', name));
    const { end: _end, events: _events, notes: _notes, ...expected } = whole.get(name)!;
    const unequal = unlike(expected, resumed);
    rows[`resumed: ${name}`] = [
      ending(checkout, outcome),
      unequal.length === 0 ? 'equals the whole run' : `NOT as the whole run: ${unequal.join(', ')}`,
    ].join('\n');
  }
  return rows;
}

/** Returns the images that commands generate from the runs. */
async function made(checkout: Checkout): Promise<Rows> {
  const commands: Record<string, string[]> = {
    'sample, a grid': ['sample', 'runs/prior', '--n', '4', '--grid', '--seed', '5'],
    'sample, filtered': [
      'sample',
      'runs/prior',
      '--n',
      '3',
      '--top-k',
      '4',
      '--top-p',
      '0.9',
      '--temperature',
      '0.8',
    ],
    'sample, a class by its name': [
      'sample',
      'runs/prior-classes',
      '--n',
      '3',
      '--class',
      'round',
      '--batch',
      '2',
    ],
    'sample, a class by its number': ['sample', 'runs/prior-classes', '--n', '2', '--class', '1'],
    'sample, a class, as JSON': ['sample', 'runs/prior-classes', '--n', '3', '--class', 'square', '--json'],
    'sample, read in a spiral': ['sample', 'runs/prior-spiral', '--n', '2'],
    reconstruct: ['reconstruct', 'runs/float32', '../data/photos', '--json'],
    'reconstruct, larger, a grid': ['reconstruct', 'runs/ema', '../data/classes', '--grid', '--size', '24'],
  };
  const rows: Rows = {};
  for (const [name, args] of Object.entries(commands)) {
    const out = `made/${name.replaceAll(/\W+/g, '-')}`;
    const outcome = await checkout.tessera([...args, '--out', out]);
    const images = await imagesOf(join(checkout.folder, out));
    rows[name] = `${ending(checkout, outcome)}\n${images}`;
  }
  return rows;
}

export async function askRuns(checkout: Checkout): Promise<Rows> {
  mkdirSync(join(checkout.folder, 'runs'), { recursive: true });
  const whole = await wholeRuns(checkout);
  const rows = Object.assign({}, ...[...whole].map(([name, of]) => prefixed(name, of))) as Rows;
  return { ...rows, ...(await resumedRuns(checkout, whole)), ...(await made(checkout)) };
}
