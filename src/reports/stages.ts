/** Texts about the two stages in reports and messages: names, charts and suggested commands. */
import type { RunConfig, Stage } from '../runs/config.js';

/** A chart that shows losses over the steps of a run. */
export interface Panel {
  title: string;
  /** Keys in metrics.jsonl, and their names in the legend. */
  lines: readonly (readonly [key: string, name: string])[];
  fromZero?: boolean;
}

export interface StageTexts {
  title: string;
  /** Sentence that describes the model. */
  what: string;
  /** Returns an additional remark for the model card. */
  remark(config: RunConfig): string;
  /** Charts of losses on training images. */
  panels: readonly Panel[];
  /** Returns the command that comes next. */
  next(run: string, config: RunConfig): string;
  /** Returns the commands that use a trained model. */
  uses(run: string, config: RunConfig): readonly string[];
  /** Returns the commands that the run's report suggests. */
  suggestions(run: string, config: RunConfig): readonly string[];
}

/** True for a run that reads maps with its images: a first stage trained on them, or a transformer conditioned on them. */
const hasMaps = ({ data }: RunConfig): boolean => (data.maps ?? []).length > 0;

const transformerOn = (run: string, config: RunConfig) =>
  `npx tessera-torch train transformer --vqgan ${hasMaps(config) ? `RUN --condition ${run} -c maps` : run}`;
const reconstructBy = (run: string, config: RunConfig) =>
  hasMaps(config) ? [] : [`npx tessera-torch reconstruct ${run} IMAGES`];
const hasFile = (config: RunConfig): boolean => hasMaps(config) || config.training.vectors !== undefined;
/** True if a class is to be named, alone or with other conditions. */
const hasClass = ({ model: { params } }: RunConfig): boolean =>
  JSON.stringify(params?.['cond_stage_config'] ?? null).includes('"taming.modules.util.Labelator"');
const sampleGrid = (run: string, config: RunConfig, count = '') => {
  const condition = `${hasClass(config) ? ' --class 0' : ''}${hasFile(config) ? ' --condition FILE' : ''}`;
  return `npx tessera-torch sample ${run}${condition}${count} --grid`;
};

const norms: Panel = {
  title: 'norms of gradients, before clipping',
  lines: [
    ['norm', 'trained model'],
    ['discNorm', 'discriminator'],
  ],
};

const scales: Panel = { title: 'scale of losses, in float16', lines: [['scale', 'scale']] };

const vqgan: StageTexts = {
  title: 'VQGAN',
  what: 'A VQGAN: it encodes an image as a grid of codes and decodes such a grid to an image.',
  remark: ({ training: { lpips } }) =>
    lpips === 'off'
      ? 'The perceptual term was off (no LPIPS weights): fine texture is blurrier than in the paper’s models.'
      : `The perceptual term was on, with LPIPS weights from ${lpips}.`,
  panels: [
    {
      title: 'losses on training images',
      lines: [
        ['rec', 'reconstruction'],
        ['perceptual', 'perceptual'],
        ['vq', 'codebook'],
      ],
      fromZero: true,
    },
    {
      title: 'adversarial losses',
      lines: [
        ['gan', 'generator'],
        ['disc', 'discriminator'],
        ['lecam', 'LeCam'],
        ['weight', 'adaptive weight'],
      ],
    },
    {
      title: 'codebook on training images',
      lines: [
        ['trainPerplexity', 'perplexity'],
        ['deadCodes', 'dead codes'],
      ],
      fromZero: true,
    },
    norms,
    scales,
  ],
  next: transformerOn,
  uses: (run, config) => [...reconstructBy(run, config), transformerOn(run, config)],
  suggestions: (run, config) => [
    transformerOn(run, config),
    ...reconstructBy(run, config).map((command) => `${command} --out reconstructions`),
  ],
};

const transformer: StageTexts = {
  title: 'Transformer',
  what: 'A transformer over the codes of a VQGAN: it generates grids of codes, which the VQGAN decodes to new images.',
  remark: () => '',
  panels: [{ title: 'cross-entropy, nats per code', lines: [['loss', 'training']] }, norms, scales],
  next: sampleGrid,
  uses: (run, config) => [sampleGrid(run, config)],
  suggestions: (run, config) => [sampleGrid(run, config, ' --n 16')],
};

export const stageTexts: Readonly<Record<Stage, StageTexts>> = { vqgan, transformer };
