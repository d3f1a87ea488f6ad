/** Results of one or several models as a table of text. */
import { shownNamed } from '../metrics/definitions.js';
import { expectAlike, type Evaluation } from '../metrics/evaluation.js';
import { formatMetric } from '../metrics/metric.js';

/**
 * Returns a table with a column for each result and a row for each metric, and below it the protocol.
 *
 * @throws UnlikeProtocolsError for results that were measured differently
 *
 * @example
 * ```ts
 * const result = { what: 'runs/a', values: { psnr: 24.3 }, protocol: { size: 64 } };
 * console.log(evaluationCard([result]));
 * ```
 */
export function evaluationCard(evaluations: readonly Evaluation[]): string {
  expectAlike(evaluations);
  const names = [...new Set(evaluations.flatMap(({ values }) => Object.keys(values)))];
  const rows = names.map((name) => [
    shownNamed(name)?.label ?? name,
    ...evaluations.map(({ values }) => shownValue(name, values[name])),
  ]);
  const table = aligned([['', ...evaluations.map(({ what }) => what)], ...rows]);
  const protocol = Object.entries(evaluations[0]!.protocol).map(([field, value]) => [field, String(value)]);
  const widest = Math.max(0, ...protocol.map(([field]) => field!.length));
  const lines = protocol.map(([field, value]) => `  ${field!.padEnd(widest)}  ${value}`);
  return [...table, '', 'measured by', ...lines].join('\n');
}

function shownValue(name: string, value: number | undefined): string {
  if (value === undefined) return '–';
  return formatMetric(shownNamed(name) ?? { digits: 4 }, value);
}

/** Pads the columns: the first to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
}
