import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { Field } from '../../../config/schema.js';
import { sectionsOf, type Stage } from '../../../runs/settings.js';
import { collect, numeric } from '../../arguments.js';
import type { OutputFlags } from '../../model-flags.js';
import type { TrainInput } from './config.js';

interface TrainFlags extends OutputFlags {
  config?: string[];
  data?: string;
  vqgan?: string;
  out: string;
  name?: string;
  steps?: number;
  minutes?: number;
  epochs?: number;
  resume?: string;
  printConfig?: boolean;
  dryRun?: boolean;
}

/** Defines `tessera-torch train vqgan` and `tessera-torch train transformer`. */
export function trainCommand(command: Command): Command {
  return command
    .addHelpText(
      'after',
      `
The first stage learns to encode an image as a grid of codes, the second learns which codes go together:
  $ npx tessera-torch train vqgan --data photos --minutes 60
  $ npx tessera-torch train transformer --vqgan runs/vqgan --minutes 60
  $ npx tessera-torch sample runs/transformer --grid`,
    )
    .addCommand(stageCommand('vqgan'))
    .addCommand(stageCommand('transformer'));
}

/** Names of the files in `src/cli/presets`. */
export const presets: Record<Stage, readonly string[]> = {
  vqgan: ['small', 'segmentation', 'depth', 'imagenet', 'faces'],
  transformer: ['small', 'classes', 'maps', 'layouts', 'vectors', 'classes-and-maps', 'imagenet', 'faces'],
};

const descriptions: Record<Stage, string> = {
  vqgan: 'first stage: encoder, codebook, decoder and discriminator, on a folder of images',
  transformer: "second stage: a transformer over a trained VQGAN's codes, which generates new images",
};

const examples: Record<Stage, string> = {
  vqgan: `
Examples:
  $ npx tessera-torch train vqgan --data photos                       64 × 64 pixels, half an hour, into runs/vqgan
  $ npx tessera-torch train vqgan --data photos --minutes 120 training.batchSize=8 data.flip=false
  $ npx tessera-torch train vqgan --data scenes --steps 500           without images of your own: drawn landscapes
  $ npx tessera-torch train vqgan -c depth --data scenes              depth maps, for a transformer's --condition
  $ npx tessera-torch train vqgan -c imagenet --data imagenet/train   the paper's model, for a GPU
  $ npx tessera-torch train vqgan --from runs/imagenet --data photos --minutes 60   begins with its model and weights
  $ npx tessera-torch train vqgan --resume runs/vqgan --minutes 180   resumes the run, to 180 minutes in all
  $ npx tessera-torch train vqgan --print-config                      every setting, with its default`,
  transformer: `
Examples:
  $ npx tessera-torch train transformer --vqgan runs/vqgan            the same images, half an hour, into runs/transformer
  $ npx tessera-torch train transformer --vqgan runs/vqgan --minutes 120 training.batchSize=16
  $ npx tessera-torch train transformer --vqgan runs/vqgan -c classes   class-conditional: sample with --class
  $ npx tessera-torch train transformer --vqgan runs/vqgan --condition runs/depth -c maps   conditioned on depth maps
  $ npx tessera-torch train transformer --vqgan runs/vqgan --data tokens   on what encode --views wrote, without images
  $ npx tessera-torch train transformer --resume latest
  $ npx tessera-torch train transformer --print-config`,
};

function stageCommand(stage: Stage): Command {
  const command = new Command(stage)
    .description(descriptions[stage])
    .argument('[settings...]', 'settings as key.sub=value, on top of all files: training.learningRate=1e-3')
    .option(
      '-c, --config <file>',
      `YAML file, or preset (${presets[stage].join(', ')}); may be repeated`,
      collect,
      [],
    );
  for (const { option } of settingFlags(stage)) command.addOption(option);
  command
    .option('--out <folder>', 'folder for run folders', 'runs')
    .option('--name <name>', `name of the run folder; default ${stage}, ${stage}-2, …`)
    .option('--resume <run>', 'resume this run; latest: the newest one in --out')
    .option('--print-config', 'print the settings that the run would use, and exit')
    .option(
      '--dry-run',
      'do everything up to the first step, write nothing, report what would be done, and exit',
    )
    .addOption(new Option('--json', 'print one JSON object per line instead of text').conflicts('quiet'))
    .option('--quiet', 'print errors only')
    .addHelpText('after', examples[stage]);
  return command.action(async (settings: string[], flags: TrainFlags) => {
    await (await import('./run.js')).train(stage, inputOf(stage, settings, flags), flags);
  });
}

export type { TrainFlags };

function inputOf(stage: Stage, settings: string[], flags: TrainFlags): TrainInput {
  // Files after the first one of -c are parsed as settings.
  const isFile = (text: string) => !text.includes('=') && (/\.(ya?ml|json)$/.test(text) || existsSync(text));
  return {
    files: [...(flags.config ?? []), ...settings.filter(isFile)],
    overrides: settings.filter((text) => !isFile(text)),
    flags: settingFlags(stage)
      .map(({ option, path }) => {
        const value = flags[option.attributeName() as keyof TrainFlags];
        return [`--${option.name()}`, path, value] as const;
      })
      .filter(([, , value]) => value !== undefined),
  };
}

/** Returns the flags that correspond to settings, from the stage's schema. */
function settingFlags(stage: Stage): { option: Option; path: string }[] {
  return Object.entries(sectionsOf(stage)).flatMap(([section, schema]) =>
    Object.entries<Field>(schema).flatMap(([key, field]) => {
      if (!field.flag) return [];
      const option = new Option(...field.flag);
      if (field.accepts(1)) option.argParser(positive);
      else if (field.accepts(0)) option.argParser(numeric((n) => field.accepts(n), field.expected));
      return [{ option, path: `${section}.${key}` }];
    }),
  );
}

const positive = numeric((n) => n > 0 && n < Infinity, 'a number above 0');
