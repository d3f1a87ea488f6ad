import { basename, relative } from 'node:path';
import { stringify } from 'yaml';
import { metricNamed } from '../metrics/definitions.js';
import { formatMetric } from '../metrics/metric.js';
import type { RunConfig, Stage } from '../runs/config.js';

/** A run that has ended, and the number of its images. */
export interface TrainedRun {
  stage: Stage;
  folder: string;
  config: RunConfig;
  device: string;
  threads: number;
  precision: string;
  train: { length: number };
  heldOut: { length: number };
}

export interface CardFacts {
  step: number;
  seconds: number;
  metrics: Record<string, number>;
  /** Step of the best checkpoint. */
  best: number;
  /** The last grid of pictures. */
  image: string | null;
}

/** README.md of a finished run: what the model is, what it was trained on and how, and how to use it. */
export function modelCard(run: TrainedRun, { step, seconds, metrics, best, image }: CardFacts): string {
  const { stage, folder, config, device, threads, precision, train, heldOut } = run;
  const { data, training, model } = config;
  const what =
    stage === 'vqgan'
      ? 'A VQGAN: it writes a picture as a grid of codes and makes a picture of such a grid.'
      : 'A transformer over the codes of a VQGAN: it invents grids of codes, hence pictures.';
  const rows = Object.entries(metrics).map(([name, value]) => {
    const metric = metricNamed(name);
    return `| ${metric?.label ?? name} | ${metric ? formatMetric(metric, value) : value} |`;
  });
  const perceptual =
    training.lpips === 'off'
      ? 'The perceptual term was off (no LPIPS weights): fine texture is blurrier than in the paper’s models.'
      : `The perceptual term was on, with LPIPS weights from ${training.lpips}.`;
  const mirrored = data.flip ? 'half of them mirrored' : 'never mirrored';
  const use =
    stage === 'vqgan'
      ? `npx tessera-torch reconstruct ${folder} pictures/\nnpx tessera-torch train transformer --vqgan ${folder}`
      : `npx tessera-torch sample ${folder} --grid`;
  const longer =
    training.minutes === undefined ? `training.steps=${step * 2}` : `--minutes ${training.minutes * 2}`;
  return `# ${basename(folder)}

${what}

Trained for ${step.toLocaleString('en')} steps of ${training.batchSize} pictures (${Math.round(seconds)} seconds of training) with
Tessera on ${device === 'cpu' ? `${threads} processor thread${threads === 1 ? '' : 's'}` : device}, ${precision}. ${stage === 'vqgan' ? perceptual : ''}

## Data

${train.length} pictures of ${data.size} × ${data.size} pixels from \`${data.path}\`, ${mirrored}; ${heldOut.length} more were held
out by their contents and never trained on. ${data.crop === 'random' ? 'Longer pictures were cut at random places.' : 'Pictures were cut in the middle.'}

## Figures

| on held-out pictures | |
| --- | --- |
${rows.length > 0 ? rows.join('\n') : '| nothing was held out | |'}
${image ? `\n![the last pictures](${relative(folder, image)})\n` : ''}
## Use

\`\`\`
${use}
\`\`\`

The weights of the last step are in \`checkpoints/\`; the best on held-out pictures are those of step ${best}. Going on with the run:
\`npx tessera-torch train ${stage} --resume ${folder} ${longer}\`.

## Model

\`\`\`yaml
${stringify(model).trim()}
\`\`\`
`;
}
