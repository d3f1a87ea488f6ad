import { basename, join, relative } from 'node:path';
import { yaml } from '../config/yaml.js';
import { metricNamed } from '../metrics/definitions.js';
import { formatMetric } from '../metrics/metric.js';
import { bestCheckpoint } from '../runs/checkpoint.js';
import { measuresOf } from '../runs/choice.js';
import type { RunConfig, Stage } from '../runs/config.js';
import { replaceFile } from '../runs/folder.js';
import type { Run } from '../runs/run.js';
import { imagesPerStep } from '../runs/settings.js';
import { stageTexts } from './stages.js';

export interface CardFacts {
  /** Seconds of training. */
  seconds: number;
  /** Held-out metrics by name. */
  metrics: Record<string, number>;
  /** Path of the last image grid. */
  image: string | null;
}

/** Writes the README.md of a finished run, its model card. */
export async function writeModelCard(run: Run, facts: CardFacts): Promise<void> {
  const { folder, stage, step, config } = run;
  const best = bestCheckpoint(folder, measuresOf(stage, config.training))?.step ?? step;
  await replaceFile(join(folder, 'README.md'), modelCard(run, { ...facts, best }));
}

/**
 * Returns the README.md of a finished run: the model, its data and training, and how to use it.
 *
 * @param best step of the best checkpoint
 */
export function modelCard(run: Run, { seconds, metrics, best, image }: CardFacts & { best: number }): string {
  const { stage, folder, step, config } = run;
  const { device, threads, precision, images } = run.setup;
  const { data, training, model } = config;
  const { what, remark, uses } = stageTexts[stage];
  const counts = images?.images ?? { train: 0, heldOut: 0 };
  const rows = Object.entries(metrics).map(([name, value]) => {
    const metric = metricNamed(name);
    return `| ${metric?.label ?? name} | ${metric ? formatMetric(metric, value) : value} |`;
  });
  const tokens = run.setup.imagesFrom === 'tokens';
  const mirrored = data.flip ? 'mirrored half of the time' : 'never mirrored';
  const longer =
    training.minutes === undefined ? `training.steps=${step * 2}` : `--minutes ${training.minutes * 2}`;
  return `# ${basename(folder)}

${what}

Trained for ${step.toLocaleString('en')} steps with a batch size of ${imagesPerStep(training)} (${Math.round(seconds)} seconds of training) with
Tessera on ${device === 'cpu' ? `${threads} processor thread${threads === 1 ? '' : 's'}` : device}, ${precision}. ${remark(config)}

## Data

${counts.train} images of ${data.size} × ${data.size} pixels ${tokens ? 'as tokens ' : ''}from \`${data.path}\`, ${tokens ? views : mirrored}; ${counts.heldOut} more were held
out by their contents and never trained on. ${tokens ? '' : crops[data.crop]}

## Metrics
${training.ema > 0 ? `\nThose of the moving average of the weights (${training.ema}), which commands use; with \`--no-ema\` they use the trained weights.\n` : ''}
| on held-out images | |
| --- | --- |
${rows.length > 0 ? rows.join('\n') : '| no images were held out | |'}
${image ? `\n![the last images](${relative(folder, image)})\n` : ''}
## Use

\`\`\`
${uses(folder, config).join('\n')}
\`\`\`

The weights of the last step are in \`checkpoints/\`; the best on held-out images are those of step ${best}. To continue the run:
\`npx tessera-torch train ${stage} --resume ${folder} ${longer}\`.

## Model

\`\`\`yaml
${yaml().stringify(model).trim()}
\`\`\`
`;
}

/** Text about the views of a token set, which were cropped and mirrored when it was made. */
const views = 'one of the views of each in each epoch';

/** Texts about the crops of training images. */
const crops: Readonly<Record<RunConfig['data']['crop'], string>> = {
  random: 'Images that are not square were cropped at random positions.',
  center: 'Images that are not square were cropped to their centre.',
  resized: 'Images were cropped at random positions, in random sizes and proportions.',
};

/** Facts about a model that was trained elsewhere. */
export interface ImportFacts {
  stage: Stage;
  config: RunConfig;
  /** Checkpoint file. */
  file: string;
  /** The model in a line. */
  what: string;
  notes: readonly string[];
}

/** Returns the commands that use an imported model, which has no images of its own. */
export const usesOfImport = (folder: string, stage: Stage, config: RunConfig): string[] =>
  stageTexts[stage]
    .uses(folder, config)
    .map((command) => (command.includes(' train ') ? `${command} --data IMAGES` : command));

/** Returns the README.md of an imported run: the model, where it is from, and how to use it. */
export function importedCard(folder: string, { stage, config, file, what, notes }: ImportFacts): string {
  const about = `${what}, for images of ${config.data.size} × ${config.data.size} pixels.`;
  const origin = `It was trained elsewhere and imported from \`${basename(file)}\`: ${notes.join('; ')}.`;
  return cardWithoutImages(folder, { stage, config }, `${about}\n\n${origin}`);
}

/** Returns the README.md of a run that is another one without its unused codes. */
export function trimmedCard(
  folder: string,
  { stage, config, run, what }: Pick<ImportFacts, 'stage' | 'config' | 'what'> & { run: string },
): string {
  return cardWithoutImages(
    folder,
    { stage, config },
    `It is \`${run}\` without the codes that no image uses: ${what}.`,
  );
}

function cardWithoutImages(
  folder: string,
  { stage, config }: Pick<ImportFacts, 'stage' | 'config'>,
  about: string,
): string {
  return `# ${basename(folder)}

${stageTexts[stage].what} ${about}

## Use

\`\`\`
${usesOfImport(folder, stage, config).join('\n')}
\`\`\`

To begin a run with its weights: \`npx tessera-torch train ${stage} --from ${folder} --data IMAGES\`.

## Model

\`\`\`yaml
${yaml().stringify(config.model).trim()}
\`\`\`
`;
}
