/** Curves of a run, from its metrics.jsonl. */
import { join } from 'node:path';
import { loadSharp } from '../data/pictures/sharp.js';
import { writeAtomically } from '../files/atomic-file.js';
import { metricsOf } from '../metrics/definitions.js';
import type { Stage } from '../runs/config.js';
import { readMetrics, type MetricsRecord } from '../runs/folder.js';
import { stageTexts, type Panel } from './stages.js';
import { chartBody, type ChartOptions, type ChartLevel, type ChartSeries } from './chart.js';

/** Levels to draw into the charts, by the name of each chart's first metric (`psnr`, `heldOutLoss`, `perplexity`). */
export type CurveLevels = Readonly<Record<string, readonly ChartLevel[]>>;

/** Returns the charts of a stage: metrics, then losses; panels with the same title are merged. */
function panelsOf(stage: Stage): Panel[] {
  const panels = new Map<string, Panel>();
  const add = ({ title, lines, fromZero = false }: Panel) => {
    const before = panels.get(title);
    panels.set(title, {
      title,
      lines: [...(before?.lines ?? []), ...lines],
      fromZero: fromZero || before?.fromZero === true,
    });
  };
  for (const { name, curve } of metricsOf[stage]) {
    if (curve) add({ title: curve.chart, lines: [[name, curve.name]], fromZero: curve.fromZero ?? false });
  }
  stageTexts[stage].panels.forEach(add);
  return [...panels.values()];
}

/**
 * Returns the charts of a run that have data.
 *
 * @example
 * ```ts
 * const charts = runCharts('runs/vqgan', 'vqgan');
 * await saveCurves('curves.png', charts);
 * ```
 */
export function runCharts(run: string, stage: Stage, levels: CurveLevels = {}): ChartOptions[] {
  const records = readMetrics(run);
  return panelsOf(stage).flatMap(({ title, lines, fromZero = false }) => {
    const series = lines.flatMap(([key, name]) => seriesOf(records, key, name));
    const marks = lines.flatMap(([key]) => levels[key] ?? []);
    return series.length === 0 ? [] : [{ title, series, levels: marks, fromZero }];
  });
}

/** Returns a series if it has at least two points and is not zero throughout, as a term that is off is. */
function seriesOf(records: readonly MetricsRecord[], key: string, name: string): ChartSeries[] {
  // The last record has the metrics of all held-out images, the others those of a fixed subset.
  const measured = records.filter((record) => record['final'] !== true);
  const points = measured.flatMap((record): (readonly [number, number])[] => {
    const value = figureOf(record, key);
    return value === undefined ? [] : [[record.step, value]];
  });
  return points.length < 2 || points.every(([, value]) => value === 0) ? [] : [{ name, points }];
}

/** Returns a metric or a loss of a record. */
function figureOf(record: MetricsRecord, key: string): number | undefined {
  for (const place of [record, record['losses'], record['metrics']]) {
    const value = (place as Record<string, unknown> | undefined)?.[key];
    if (typeof value === 'number') return value;
  }
  return undefined;
}

/**
 * Writes the charts, two per row, as one PNG; returns false if there is no data yet.
 *
 * @example
 * ```ts
 * await saveCurves('loss.png', [{ title: 'loss', series: [{ name: 'train', points: [[0, 7], [1000, 5]] }] }]);
 * ```
 */
export async function saveCurves(path: string, charts: readonly ChartOptions[]): Promise<boolean> {
  if (charts.length === 0) return false;
  const [width, height] = [420, 260];
  const columns = Math.min(2, charts.length);
  const rows = Math.ceil(charts.length / columns);
  const parts = charts.map((chart, i) => {
    const [x, y] = [(i % columns) * width, Math.floor(i / columns) * height];
    return `<g transform="translate(${x} ${y})">${chartBody({ ...chart, width, height })}</g>`;
  });
  const [w, h] = [columns * width, rows * height];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">` +
    `<rect width="${w}" height="${h}" fill="#fff"/>${parts.join('')}</svg>`;
  const sharp = await loadSharp();
  // Twice the size, for high-resolution screens.
  const png = await sharp(Buffer.from(svg), { density: 144 }).png({ palette: true }).toBuffer();
  await writeAtomically(path, png);
  return true;
}

/**
 * Writes `curves.png` into a run folder.
 *
 * @example
 * ```ts
 * await saveRunCurves('runs/vqgan', 'vqgan'); // writes runs/vqgan/curves.png
 * ```
 */
export async function saveRunCurves(run: string, stage: Stage, levels?: CurveLevels): Promise<boolean> {
  return saveCurves(join(run, 'curves.png'), runCharts(run, stage, levels));
}
