/** The metrics of a run as a table, `metrics.csv`: a row for each logged step, a column for each loss and metric. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingEvent } from '../runs/events.js';
import { readMetrics, replaceFile, type MetricsRecord } from '../runs/folder.js';

type Row = Readonly<Record<string, unknown>>;

const metricsCsv = (run: string): string => join(run, 'metrics.csv');

/** Returns a record as a row: its own numbers, then its losses and metrics. */
function rowOf({ losses, metrics, final, ...own }: MetricsRecord): Row {
  // Metrics of all held-out images have columns of their own: a run otherwise measures a fixed few of them.
  const measured = Object.entries((metrics ?? {}) as Row).map(([name, value]) => [
    final === true ? `final_${name}` : name,
    value,
  ]);
  return { ...own, ...(losses as Row), ...Object.fromEntries(measured) };
}

/** Formats a value; a missing one is an empty cell, as is null, which JSON writes for infinity. */
function cell(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : '';
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const lineOf = (columns: readonly string[], row: Row): string =>
  `${columns.map((name) => cell(row[name])).join(',')}\n`;

/** Returns the names of all columns, in the order in which they first occur. */
const columnsOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap((row) => Object.keys(row)))];

/** Returns the metrics of a run as text: a line of names, then one for each record. */
export function csvOf(records: readonly MetricsRecord[]): string {
  const rows = records.map(rowOf);
  const columns = columnsOf(rows);
  return `${columns.map(cell).join(',')}\n${rows.map((row) => lineOf(columns, row)).join('')}`;
}

/** Keeps the table of a run up to date while it trains. */
export class RunCsv {
  readonly #run: string;
  /** Columns of the table; none before this process has written it. */
  #columns: string[] = [];

  constructor(run: string) {
    this.#run = run;
  }

  /** Adds a logged step. A new column, the end of the run and its resumption have the whole table written. */
  async take(event: TrainingEvent): Promise<void> {
    if (event.type === 'log') {
      const { type: _, eta: __, imagesPerSecond: ___, ...record } = event;
      const row = rowOf(record);
      if (Object.keys(row).every((name) => this.#columns.includes(name))) {
        return appendFileSync(metricsCsv(this.#run), lineOf(this.#columns, row));
      }
    } else if (event.type !== 'end') return;
    const records = readMetrics(this.#run);
    this.#columns = columnsOf(records.map(rowOf));
    await replaceFile(metricsCsv(this.#run), csvOf(records));
  }
}
