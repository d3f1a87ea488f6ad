// Results of the demo: metrics with their baselines, and a self-contained page.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tessera from 'tessera-torch';
import { torch, type ReportRow, type Tensor } from 'tessera-torch';

/** Returns the metrics of both stages on held-out landscapes, and whether each reaches its target. */
export function metricRows(metrics: Record<string, number>): ReportRow[] {
  const value = (name: string) => metrics[name] ?? Number.NaN;
  const gain = value('psnr') - value('meanColourPsnr');
  const below = 1 - value('heldOutLoss') / value('histogramEntropy');
  return [
    {
      name: 'reconstructions, PSNR',
      value: `${value('psnr').toFixed(2)} dB`,
      note: `${Math.abs(gain).toFixed(2)} dB ${gain < 0 ? 'below' : 'above'} every block's mean colour (${value('meanColourPsnr').toFixed(2)} dB); aim: 0.7`,
      reached: gain >= 0.7,
    },
    {
      name: 'codebook perplexity',
      value: value('perplexity').toFixed(0),
      note: `of 256 codes, ${value('used').toFixed(0)} in use; aim: 128`,
      reached: value('perplexity') >= 128,
    },
    {
      name: 'transformer, cross-entropy per code',
      value: `${value('heldOutLoss').toFixed(3)} nats`,
      note: `${(100 * below).toFixed(0)}% below the entropy of the codes' histogram (${value('histogramEntropy').toFixed(3)}); aim: 20%`,
      reached: below >= 0.2,
    },
    {
      name: 'against counting left and upper neighbours',
      value: `${value('countModel').toFixed(3)} nats`,
      note: 'the transformer should be below this',
      reached: value('heldOutLoss') < value('countModel'),
    },
  ];
}

export interface DemoFacts {
  firstRun: string;
  secondRun: string;
  metrics: Record<string, number>;
  /** Seconds since the start. */
  seconds: () => number;
}

/** Writes `report.html`, its images and `figures.json`; returns the page's path. */
export async function writeDemoPage(out: string, facts: DemoFacts): Promise<string> {
  const { firstRun, secondRun, metrics, seconds } = facts;
  const first = await tessera.openRun(firstRun, 'vqgan');
  const second = await tessera.openRun(secondRun, 'transformer');
  const { heldOut, close } = await tessera.openImages(first.config.data);
  const originals = await heldOut.read([...Array(16).keys()]); // [16, 3, 64, 64]
  await close();
  const reconstructions = torch
    .noGrad(() => first.model.forward(originals.to(first.device)).reconstruction)
    .to('cpu');
  const samples = draw(second.model, second.device, 32);

  const pairs = join(out, 'reconstructions.png');
  const rows = [0, 8].flatMap((at) => [originals.narrow(0, at, 8), reconstructions.narrow(0, at, 8)]);
  await tessera.saveImageGrid(pairs, torch.cat(rows), { columns: 8, scale: 2 });
  const invented = join(out, 'samples.png');
  await tessera.saveImageGrid(invented, samples, { columns: 8, scale: 2 });
  const overview = torch.cat([
    originals.narrow(0, 0, 8),
    reconstructions.narrow(0, 0, 8),
    samples.narrow(0, 0, 16),
  ]);
  await tessera.saveImageGrid(join(out, 'overview.png'), overview, { columns: 8, scale: 2 });

  const levels = {
    psnr: [{ name: 'mean colour of each block', y: metrics['meanColourPsnr']! }],
    heldOutLoss: [
      { name: 'histogram', y: metrics['histogramEntropy']! },
      { name: 'counting neighbours', y: metrics['countModel']! },
    ],
  };
  const charts = [
    ...tessera.runCharts(firstRun, 'vqgan', levels),
    ...tessera.runCharts(secondRun, 'transformer', levels),
  ];
  await tessera.saveCurves(join(out, 'curves.png'), charts);

  const total = seconds();
  const time = `${Math.floor(total / 60)} minutes ${Math.round(total % 60)} seconds`;
  const page = join(out, 'report.html');
  const figures = metricRows(metrics);
  await tessera.writePage(page, {
    title: 'Landscapes, learnt in minutes',
    lead:
      `A VQGAN and a transformer, trained in ${time} on this machine: ${first.step.toLocaleString('en')} steps of the ` +
      `first, ${second.step.toLocaleString('en')} of the second.`,
    sections: [
      {
        title: 'Landscapes that do not exist',
        blocks: [
          {
            kind: 'picture',
            path: invented,
            caption: 'Generated code by code by the transformer, decoded by the VQGAN.',
          },
        ],
      },
      {
        title: 'What the codes keep',
        blocks: [
          {
            kind: 'picture',
            path: pairs,
            caption:
              'Rows 1 and 3: held-out landscapes, never trained on. Rows 2 and 4: the same, encoded as ' +
              '16 × 16 codes out of 256 (256 bytes instead of 12,288) and decoded again.',
          },
        ],
      },
      { title: 'Metrics on held-out landscapes', blocks: [{ kind: 'figures', figures }] },
      { title: 'Curves', blocks: [{ kind: 'charts', svgs: charts.map((chart) => tessera.chartSvg(chart)) }] },
      {
        title: 'Now with your own images',
        blocks: [
          { kind: 'text', text: 'A folder of a few hundred images or more, and three commands:' },
          {
            kind: 'commands',
            lines: [
              'npx tessera-torch train vqgan --data photos --minutes 60',
              'npx tessera-torch train transformer --vqgan runs/vqgan --minutes 60',
              'npx tessera-torch sample runs/transformer --grid',
            ],
          },
          { kind: 'text', text: 'Or more landscapes from this transformer, and more time for this VQGAN:' },
          {
            kind: 'commands',
            lines: [
              `npx tessera-torch sample ${secondRun} --grid --seed 2 --top-k 30 --temperature 0.9`,
              `npx tessera-torch train vqgan --resume ${firstRun} --minutes 30`,
            ],
          },
        ],
      },
    ],
  });
  writeFileSync(join(out, 'figures.json'), `${JSON.stringify({ ...metrics, seconds: total }, null, 2)}\n`);
  return page;
}

/** Samples images [count, 3, 64, 64], always the same ones for the same weights. */
function draw(model: tessera.Net2NetTransformer, device: tessera.torch.Device, count: number): Tensor {
  const generator = new torch.Generator(device);
  generator.manualSeed(1);
  const starts = model.encodeToC(torch.zeros([count, 1], { device })).indices; // [count, 1]
  return tessera
    .sampleImages(model, starts, { grid: [16, 16], topK: 30, temperature: 0.9, generator })
    .to('cpu');
}
