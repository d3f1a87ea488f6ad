/** The page of one run: its figures, newest pictures, curves and settings. */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig, readMetrics } from '../run-folder.js';
import { chartSvg } from './chart.js';
import { runCharts, saveCurves } from './curves.js';
import { writePage, type PageBlock, type Figure } from './page.js';

const names: Record<string, string> = {
  psnr: 'held-out PSNR',
  used: 'codes in use on held-out pictures',
  perplexity: 'codebook perplexity on held-out pictures',
  heldOutLoss: 'held-out cross-entropy',
};
const units: Record<string, string> = { psnr: 'dB', heldOutLoss: 'nats a code' };

/** Writes `curves.png` and `report.html` into a run folder and returns the page's path. Safe while the run goes on. */
export async function writeReport(run: string): Promise<string> {
  const { stage } = await readConfig(run);
  const records = readMetrics(run);
  const last = records.at(-1);
  const charts = runCharts(run, stage);
  await saveCurves(join(run, 'curves.png'), charts);

  const pictures: PageBlock[] = newestPictures(run).map(({ path, name }) => ({
    kind: 'picture',
    path,
    caption: name,
  }));
  const page = join(run, 'report.html');
  const next =
    stage === 'vqgan'
      ? [
          `tessera train transformer --vqgan ${run}`,
          `tessera reconstruct ${run} PICTURES --out reconstructions`,
        ]
      : [`tessera sample ${run} --n 16 --grid`];
  await writePage(page, {
    title: `${stage === 'vqgan' ? 'VQGAN' : 'Transformer'} run ${run}`,
    lead: last ? `After ${last.step.toLocaleString('en')} steps.` : 'Nothing has been measured yet.',
    sections: [
      ...(pictures.length > 0 ? [{ title: 'Pictures', blocks: pictures }] : []),
      { title: 'Figures', blocks: [{ kind: 'figures', figures: figuresOf(records) }] },
      ...(charts.length > 0
        ? [{ title: 'Curves', blocks: [{ kind: 'charts' as const, svgs: charts.map((c) => chartSvg(c)) }] }]
        : []),
      {
        title: 'How to go on',
        blocks: [{ kind: 'commands', lines: [...next, `tessera train ${stage} --resume ${run}`] }],
      },
      {
        title: 'Settings',
        blocks: [
          { kind: 'details', title: 'config.yaml', text: await readFile(join(run, 'config.yaml'), 'utf8') },
        ],
      },
    ],
  });
  return page;
}

/** The newest held-out figures. */
function figuresOf(records: readonly Record<string, unknown>[]): Figure[] {
  const newest = new Map<string, number>();
  for (const record of records) {
    const all = { ...record, ...(record['metrics'] as object | undefined) } as Record<string, unknown>;
    for (const key of Object.keys(names)) {
      const value = all[key];
      if (typeof value === 'number') newest.set(key, value);
    }
  }
  return [...newest].map(([key, value]) => ({
    name: names[key]!,
    value: `${value.toFixed(key === 'used' ? 0 : 2)}${units[key] ? ` ${units[key]}` : ''}`,
  }));
}

/** The newest picture of each kind in `images/`, where a name is the kind and the step (`samples-0001200.png`). */
function newestPictures(run: string): { path: string; name: string }[] {
  const folder = join(run, 'images');
  if (!existsSync(folder)) return [];
  const newest = new Map<string, string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (file.endsWith('.png')) newest.set(file.replace(/[-_]?\d+(?=\.png$)/, ''), file);
  }
  return [...newest.values()].map((file) => ({ path: join(folder, file), name: file }));
}
