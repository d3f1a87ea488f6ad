/** What gpu-check writes and prints: one JSON file a part, and one table of all parts that have such a file. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const parts = ['tests', 'vqgan', 'gpt', 'sample', 'host'] as const;
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

/** What a part finds out, filled in as it goes: what ends in an error keeps what it had. */
export interface Findings {
  /** Machine, versions, flags: what the figures hold for. */
  conditions: Record<string, unknown>;
  rows: Row[];
  /** Said below the table: why graphs were not used, what was left out for lack of time. */
  notes: string[];
  /** Everything measured, round by round. */
  raw: Record<string, unknown>;
}

export interface PartResult extends Findings {
  part: Part;
  date: string;
  command: string;
}

/** Folders that may hold results: $OUT, which some machines carry home, and bench-results. */
const folders = [process.env['OUT'], 'bench-results'].filter(
  (folder): folder is string => folder !== undefined && folder !== '',
);

// A toy's figures must never pass for real ones.
const fileName = (part: Part, tiny: boolean) => `gpu-${tiny ? 'toy-' : ''}${part}.json`;

export function writeResult(result: PartResult, tiny: boolean): void {
  // To both: $OUT may be emptied between two parts, and the table has them all.
  const paths = folders.map((folder) => join(folder, fileName(result.part, tiny)));
  for (const [i, path] of paths.entries()) {
    mkdirSync(folders[i]!, { recursive: true });
    writeFileSync(path, JSON.stringify(result, null, 1));
  }
  console.log(`written to ${paths.join(' and ')}`);
}

function readResult(part: Part, tiny: boolean): PartResult | null {
  const path = folders.map((folder) => join(folder, fileName(part, tiny))).find((file) => existsSync(file));
  return path === undefined ? null : (JSON.parse(readFileSync(path, 'utf8')) as PartResult);
}

/** Prints the table of all parts that were measured; of toys, where those were run. */
export function printTable(tiny: boolean): void {
  const results = parts.flatMap((part) => readResult(part, tiny) ?? []);
  if (results.length === 0) {
    console.log('nothing has been measured yet: no gpu-*.json in ' + folders.join(' or '));
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
  for (const { part, date, command, conditions, notes } of results) {
    const list = Object.entries(conditions).map(([name, value]) => `${name} ${String(value)}`);
    console.log(`${part}: ${date.slice(0, 16)}, ${command}; ${list.join(', ')}`);
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
