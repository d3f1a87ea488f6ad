import type { Command } from 'commander';
import { choice, collect, natural, onDemand, positiveInteger } from '../../arguments.js';
import type { Stage } from '../../../runs/config.js';
import type { Device } from '../../../torch/index.js';
import { withSourceFlags, type OutputFlags, type SourceFlags } from '../../model-flags.js';
import { withOutputFlags } from '../../token-flags.js';

export interface EvalFlags extends SourceFlags, OutputFlags {
  device: 'auto' | Device;
  stage?: Stage;
  images?: string;
  features?: string;
  lpips?: string[];
  reference?: string;
  copies?: string;
  training?: string;
  heldOut?: string;
  samples?: number;
  seed?: number;
  neighbours?: number;
  size?: number;
  batch: number;
  saveFeatures?: string;
  out?: string;
}

/** Defines `tessera-torch eval`, which measures models and sets of images, and compares what was measured alike. */
export function evalCommand(command: Command): Command {
  command
    .argument(
      '<what...>',
      'runs of VQGANs or transformers, or folders of images, files of features (.npy, .safetensors), ' +
        'or results that --out wrote (.json)',
    )
    .addOption(
      choice(
        '--stage <stage>',
        'stage of a model to measure; default: the one that a run trained, of a file vqgan',
        ['vqgan', 'transformer'],
      ),
    )
    .option('--images <folder>', 'images to measure a run on; default: those that it held out')
    .option(
      '--features <file>',
      "weights of FID's Inception, for rFID of runs, and FID and others of folders",
    )
    .option(
      '--lpips <file>',
      'weights of LPIPS, for LPIPS of reconstructions; may be repeated; "installed" for those of setup --weights lpips',
      collect,
    )
    .option(
      '--reference <folder>',
      'real images, or a file of their features, to compare folders or files with',
    )
    .option(
      '--copies <file.png>',
      'show which training images are nearest to a folder of images, or to images that a run draws',
    )
    .option(
      '--training <path>',
      'with --copies: the run or folder of training images; default: the run that is sampled',
    )
    .option(
      '--held-out <folder>',
      'with --copies and a folder of training images: others, to show what is usual',
    )
    .option('--samples <count>', 'with --copies: images that a run draws; default 64', positiveInteger)
    .option('--seed <number>', 'with --copies: seed of the images that a run draws; default 1', natural)
    .option(
      '--neighbours <count>',
      'with --copies: training images next to each image; default 3',
      positiveInteger,
    )
    .option(
      '--size <pixels>',
      'side of the images, cropped to their centre; default: of runs as in training, of folders whole images',
      positiveInteger,
    )
    .option('--batch <count>', 'images that run together', positiveInteger, 16)
    .option('--save-features <file>', 'write the features of a folder, to use as <what> or --reference later')
    .option('--out <file>', 'write values and protocol as JSON');
  withSourceFlags(command, 'YAML file or preset of the model, if <what> is a checkpoint file').option(
    '--device <device>',
    'auto, cpu or cuda:0',
    'auto',
  );
  return withOutputFlags(command, 'result')
    .addHelpText(
      'after',
      `
Runs of VQGANs are measured by their reconstructions: PSNR, SSIM, the use of the codebook, rFID with --features, LPIPS with
--lpips. Runs of transformers are measured by the codes of images: nats and bits per code, bits per dimension. Folders of
generated images are compared with --reference: FID, KID, IS, precision, recall, density, coverage, and the distance to
the nearest reference image. Several results are shown side by side, if they were measured alike. --copies shows generated
images next to their nearest training images, and compares the distances with those of images that no model has seen.

Examples:
  $ npx tessera-torch eval runs/vqgan
  $ npx tessera-torch eval runs/a runs/b --images photos
  $ npx tessera-torch eval runs/transformer
  $ npx tessera-torch eval samples --features pt_inception-2015-12-05-6726825d.pth --reference photos
  $ npx tessera-torch eval generated.npy --reference real.npy
  $ npx tessera-torch eval runs/transformer --copies nearest.png`,
    )
    .action(onDemand(async () => (await import('./run.js')).evaluateAll));
}
