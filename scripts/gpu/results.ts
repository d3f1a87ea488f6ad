/**
 * What gpu-check writes and prints: one JSON file with an entry for each part, brought up to date with every line that
 * is measured, and one table of all that it holds.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** In order of value: what a run that is cut short has is what stands first. */
export const parts = ['smoke', 'tests', 'sample', 'vqgan', 'gpt', 'host'] as const;
export type Part = (typeof parts)[number];

/** One line of the table. */
export interface Row {
  what: string;
  /** Median of the rounds. */
  value: number;
  unit: string;
  /** What it is compared with, and the median, lowest and highest of the rounds' own ratios. */
  against?: string;
  theirs?: number;
  ratio?: number;
  lowest?: number;
  highest?: number;
  /** What is promised ("at least", "at most") or aimed at, and whether it was reached. */
  bound?: string;
  reached?: boolean;
}

/** How a part ended: `running` is what one has that was cut in the middle, `partial` what had to leave something out. */
export type Status = 'running' | 'complete' | 'partial' | 'failed';

export interface PartResult {
  part: Part;
  status: Status;
  date: string;
  command: string;
  seconds: number;
  /** Machine, versions, flags: what the figures hold for. */
  conditions: Record<string, unknown>;
  rows: Row[];
  /** Said below the table: why graphs were not used, what was left out for lack of time. */
  notes: string[];
  /** Everything measured, round by round. */
  raw: Record<string, unknown>;
}

export type Results = Partial<Record<Part, PartResult>>;

/** Folders that hold results: $OUT, which some machines carry home, and bench-results. */
const folders = [process.env['OUT'], 'bench-results'].filter(
  (folder): folder is string => folder !== undefined && folder !== '',
);

// A toy's figures must never pass for real ones.
const fileName = (tiny: boolean) => `gpu-${tiny ? 'toy-' : ''}results.json`;

/** Reads results: those of a file, else of the first folder that has some. */
export function readResults(tiny: boolean, file?: string): Results {
  const path = file ?? folders.map((folder) => join(folder, fileName(tiny))).find((one) => existsSync(one));
  return path === undefined ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Results);
}

/** Writes results to every folder, whole or not at all: a part may be ended at any moment. */
export function writeResults(results: Results, tiny: boolean): void {
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, fileName(tiny));
    writeFileSync(`${path}.new`, JSON.stringify(results, null, 1));
    renameSync(`${path}.new`, path);
  }
}

/** What a part finds out. Every addition is written at once: a part that is cut short leaves what it had. */
export class Findings {
  readonly #result: PartResult;
  readonly #tiny: boolean;
  readonly #began = performance.now();
  #whole = true;

  constructor(part: Part, command: string, tiny: boolean) {
    const date = new Date().toISOString();
    const nothing = { conditions: {}, rows: [], notes: [], raw: {} };
    this.#result = { part, status: 'running', date, command, seconds: 0, ...nothing };
    this.#tiny = tiny;
    this.#save();
  }

  get rows(): readonly Row[] {
    return this.#result.rows;
  }

  conditions(conditions: Record<string, unknown>): void {
    this.#result.conditions = conditions;
    this.#save();
  }

  row(...rows: Row[]): void {
    this.#result.rows.push(...rows.map((row) => this.#honest(row)));
    this.#save();
  }

  note(...notes: string[]): void {
    for (const note of notes) console.log(`         ${note}`);
    this.#result.notes.push(...notes);
    this.#save();
  }

  /** Says what there was no time for. */
  leaveOut(...what: string[]): void {
    this.#whole &&= what.length === 0;
    this.note(...what.map((one) => `${one} was left out for lack of time`));
  }

  /** Keeps something measured, as it is. */
  keep(name: string, raw: unknown): void {
    this.#result.raw[name] = raw;
    this.#save();
  }

  /** What ran through is complete if nothing was left out, and no check failed. */
  end(how: 'ran' | 'failed'): void {
    const { part, rows } = this.#result;
    const wrong = (part === 'smoke' || part === 'tests') && rows.some(({ reached }) => reached === false);
    this.#result.status = how === 'failed' || wrong ? 'failed' : this.#whole ? 'complete' : 'partial';
    this.#save();
  }

  /** What is promised is not promised of toys, except that tests pass. */
  #honest(row: Row): Row {
    if (!this.#tiny || this.#result.part === 'tests' || this.#result.part === 'smoke') return row;
    const { bound: _bound, reached: _reached, ...rest } = row;
    return rest;
  }

  #save(): void {
    this.#result.seconds = (performance.now() - this.#began) / 1000;
    writeResults({ ...readResults(this.#tiny), [this.#result.part]: this.#result }, this.#tiny);
  }
}

/** Prints the table of all parts that were measured; of toys, where those were run. */
export function printTable(tiny: boolean): void {
  const found = readResults(tiny);
  const results = parts.flatMap((part) => found[part] ?? []);
  if (results.length === 0) {
    console.log(`nothing has been measured yet: no ${fileName(tiny)} in ${folders.join(' or ')}`);
    return;
  }
  const cells = results.flatMap(({ part, rows }) => rows.map((row) => cellsOf(part, row)));
  const head = ['part', 'what', 'measured', 'against', 'ratio', 'bound', ''];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((line) => line[i]!.length)));
  for (const line of [head, ...cells]) {
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  }
  for (const { part, status, seconds, date, command, conditions, notes } of results) {
    const list = Object.entries(conditions).map(([name, value]) => `${name} ${String(value)}`);
    const how = `${status} after ${seconds.toFixed(0)} s`;
    console.log(
      `${part}: ${how}, ${date.slice(0, 16)}, ${command}${list.length ? '; ' : ''}${list.join(', ')}`,
    );
    for (const note of notes) console.log(`  ${note}`);
  }
}

const figure = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

function cellsOf(part: Part, row: Row): string[] {
  const { what, value, unit, against = '', theirs, ratio, lowest, highest, bound = '', reached } = row;
  const spread = lowest === undefined ? '' : ` (${lowest.toFixed(2)}–${highest!.toFixed(2)})`;
  return [
    part,
    what,
    `${figure(value)} ${unit}`,
    theirs === undefined ? against : `${against} ${figure(theirs)}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}×${spread}`,
    bound,
    reached === undefined ? '' : reached ? 'reached' : 'MISSED',
  ];
}
