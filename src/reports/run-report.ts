/** HTML page of one run: its metrics, newest images, curves and settings. */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { metricNamed, metricsOf } from '../metrics/definitions.js';
import { formatMetric } from '../metrics/metric.js';
import type { Stage } from '../runs/config.js';
import { readConfig, readMetrics, type MetricsRecord } from '../runs/folder.js';
import { chartSvg, type ChartLevel } from './chart.js';
import { runCharts, saveCurves, type CurveLevels } from './curves.js';
import { stageTexts } from './stages.js';
import { writePage, type PageBlock, type ReportRow } from './page.js';

/**
 * Writes `curves.png` and `report.html` into a run folder and returns the page's path. Safe while the run is in
 * progress.
 *
 * @param options.running the run goes on: the page says so, and a browser reads it again every half minute. Default false
 *
 * @example
 * ```ts
 * console.log(await writeReport('runs/mine')); // runs/mine/report.html
 * ```
 */
export async function writeReport(
  run: string,
  { running = false }: { running?: boolean } = {},
): Promise<string> {
  const { stage, ...config } = await readConfig(run);
  const records = readMetrics(run);
  const last = records.at(-1);
  const figures = figuresOf(records);
  const charts = runCharts(run, stage, levelsOf(stage, figures));
  await saveCurves(join(run, 'curves.png'), charts);

  const pictures = newestPictures(run);
  const { title, suggestions } = stageTexts[stage];
  const lines = [...suggestions(run, config), `npx tessera-torch train ${stage} --resume ${run}`];
  const settings = await readFile(join(run, 'config.yaml'), 'utf8');
  const page = join(run, 'report.html');
  await writePage(page, {
    title: `${title} run ${run}`,
    lead: leadOf(last, running),
    ...(running && { refresh: 30 }),
    sections: [
      ...(pictures.length > 0 ? [{ title: 'Images', blocks: pictures }] : []),
      {
        title: 'Metrics on held-out images',
        blocks: [{ kind: 'figures', figures: [...figures].map(([key, value]) => shown(key, value)) }],
      },
      ...(charts.length > 0
        ? [{ title: 'Curves', blocks: [{ kind: 'charts' as const, svgs: charts.map((c) => chartSvg(c)) }] }]
        : []),
      { title: 'Next steps', blocks: [{ kind: 'commands', lines }] },
      { title: 'Settings', blocks: [{ kind: 'details', title: 'config.yaml', text: settings }] },
    ],
  });
  return page;
}

function leadOf(last: MetricsRecord | undefined, running: boolean): string {
  if (!last) return 'Nothing has been measured yet.';
  const steps = `After ${last.step.toLocaleString('en')} steps`;
  return running ? `${steps}; training was going on when this page was written.` : `${steps}.`;
}

/** Returns the last logged value of each held-out metric. */
function figuresOf(records: readonly MetricsRecord[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { metrics } of records) {
    for (const [key, value] of Object.entries((metrics ?? {}) as Record<string, unknown>)) {
      // JSON writes an infinite value (the PSNR of a perfect reconstruction) as null.
      if (typeof value === 'number') newest.set(key, value);
    }
  }
  return newest;
}

function shown(key: string, value: number): ReportRow {
  const metric = metricNamed(key);
  return { name: metric?.label ?? key, value: metric ? formatMetric(metric, value) : value.toFixed(3) };
}

/** Returns the baselines of a finished run's metrics, by the metric in whose chart they are drawn. */
function levelsOf(stage: Stage, values: ReadonlyMap<string, number>): CurveLevels {
  const levels: Record<string, ChartLevel[]> = {};
  for (const { name, level } of metricsOf[stage]) {
    const y = values.get(name);
    if (level && y !== undefined) (levels[level.of] ??= []).push({ name: level.name, y });
  }
  return levels;
}

/** Returns the newest image of each kind in `images/`; a name consists of kind and step (`samples-0001200.png`). */
function newestPictures(run: string): PageBlock[] {
  const folder = join(run, 'images');
  if (!existsSync(folder)) return [];
  const newest = new Map<string, string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (file.endsWith('.png')) newest.set(file.replace(/[-_]?\d+(?=\.png$)/, ''), file);
  }
  return [...newest.values()].map((file) => ({ kind: 'picture', path: join(folder, file), caption: file }));
}
