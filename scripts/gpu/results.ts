/**
 * Results of gpu-check: a JSON file with an entry for each part, rewritten after every measurement, and a table of its
 * content.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceNow } from '../../src/files/atomic-file.js';

/** The parts by importance, as a run that is cut short has only the first ones. */
export const parts = ['smoke', 'tests', 'sample', 'vqgan', 'gpt', 'host'] as const;
export type Part = (typeof parts)[number];

/** A line of the table. */
export interface Row {
  what: string;
  /** Median of the rounds. */
  value: number;
  unit: string;
  /** The other side, and the median, lowest and highest of the rounds' own ratios. */
  against?: string;
  theirs?: number;
  ratio?: number;
  lowest?: number;
  highest?: number;
  /** Bound that is guaranteed ("at least", "at most") or aimed at, and whether it was reached. */
  bound?: string;
  reached?: boolean;
}

/** End of a part: `running` if it was cut off in the middle, `partial` if it left something out. */
export type Status = 'running' | 'complete' | 'partial' | 'failed';

export interface PartResult {
  part: Part;
  status: Status;
  date: string;
  command: string;
  seconds: number;
  /** Machine, versions and flags of the measurements. */
  conditions: Record<string, unknown>;
  rows: Row[];
  /** Lines below the table: why graphs were not used, measurements left out for lack of time. */
  notes: string[];
  /** All measurements, by round. */
  raw: Record<string, unknown>;
}

export type Results = Partial<Record<Part, PartResult>>;

/** Folders of results: $OUT, which some machines copy back, and bench-results. */
const folders = [process.env['OUT'], 'bench-results'].filter(
  (folder): folder is string => folder !== undefined && folder !== '',
);

// Results of tiny models must not be mistaken for real ones.
const fileName = (tiny: boolean) => `gpu-${tiny ? 'toy-' : ''}results.json`;

/** Reads the results of a file, by default of the first folder that has some. */
export function readResults(tiny: boolean, file?: string): Results {
  const path = file ?? folders.map((folder) => join(folder, fileName(tiny))).find((one) => existsSync(one));
  return path === undefined ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Results);
}

/** Writes results to every folder, atomically: a part may be killed at any moment. */
export function writeResults(results: Results, tiny: boolean): void {
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, fileName(tiny));
    replaceNow(path, JSON.stringify(results, null, 1));
  }
}

/** Results of a part. Every addition is written at once, so that a part that is cut short keeps them. */
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

  /** Notes measurements that were left out for lack of time. */
  leaveOut(...what: string[]): void {
    this.#whole &&= what.length === 0;
    this.note(...what.map((one) => `${one} was left out for lack of time`));
  }

  /** Saves a raw measurement. */
  keep(name: string, raw: unknown): void {
    this.#result.raw[name] = raw;
    this.#save();
  }

  /** Sets the status: a part is complete if nothing was left out and no check failed. */
  end(how: 'ran' | 'failed'): void {
    const { part, rows } = this.#result;
    const wrong = (part === 'smoke' || part === 'tests') && rows.some(({ reached }) => reached === false);
    this.#result.status = how === 'failed' || wrong ? 'failed' : this.#whole ? 'complete' : 'partial';
    this.#save();
  }

  /** Removes the bounds of tiny models, for which only tests have to pass. */
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

/** Prints the table of all measured parts, or of those with tiny models. */
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

const shortNumber = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

function cellsOf(part: Part, row: Row): string[] {
  const { what, value, unit, against = '', theirs, ratio, lowest, highest, bound = '', reached } = row;
  const spread = lowest === undefined ? '' : ` (${lowest.toFixed(2)}–${highest!.toFixed(2)})`;
  return [
    part,
    what,
    `${shortNumber(value)} ${unit}`,
    theirs === undefined ? against : `${against} ${shortNumber(theirs)}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}×${spread}`,
    bound,
    reached === undefined ? '' : reached ? 'reached' : 'MISSED',
  ];
}
