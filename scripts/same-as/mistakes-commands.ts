/** Mistakes on the command line and in its files. The run folders are those of old-runs.ts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkout, Rows } from './checkout.js';
import { restoreOldRuns } from './old-runs.js';
import { runCases } from './run-cases.js';

const vqModel = 'model:\n  target: taming.models.vqgan.VQModel\n';

/** Configuration files with one mistake each, in YAML as a user writes it: messages name the line. */
const files: Record<string, string> = {
  'unknown-key': 'training:\n  steps: 3\n  batchsise: 4\n',
  'unknown-section': 'trainign:\n  steps: 3\n',
  'key-of-a-section': 'steps: 3\n',
  'wrong-kind': 'training:\n  batchSize: many\n',
  'number-for-a-section': 'training: 3\n',
  'list-for-a-section': 'data:\n  - a\n',
  'not-yaml': 'training:\n  steps: [1\n',
  'list-for-a-file': '- a\n',
  'twice-the-same': 'training:\n  steps: 1\n  steps: 2\n',
  'unknown-target': 'model:\n  target: taming.models.vqgan.VQModle\n',
  'unknown-model-key': `${vqModel}  params:\n    n_embd: 4\n`,
  'unknown-nested-key': `${vqModel}  params:\n    ddconfig:\n      z_chanels: 3\n`,
  'wrong-nested-kind': `${vqModel}  params:\n    ddconfig:\n      ch_mult: wide\n`,
  'missing-model-key': `${vqModel}  params:\n    n_embed: 4\n`,
  'wrong-loss': `${vqModel}  params:\n    lossconfig:\n      target: taming.modules.losses.DumyLoss\n`,
  'number-for-a-target': 'model:\n  target: 3\n',
  'wrong-share': 'training:\n  warmup: 1.5\n',
  'wrong-interval': 'training:\n  saveEvery: 5h\n',
  'wrong-word': 'data:\n  crop: middle\n',
  'key-of-the-other-stage': 'training:\n  topK: 4\n',
  'wrong-beta': 'training:\n  betas: [0.5, 1]\n',
};

// A command that turns out to be valid should end soon.
const vqgan = ['train', 'vqgan', '--data', '../data/photos', '--out', 'wrong', '--steps', '1'];
const tiny = [...vqgan, '-c', 'float32.yaml'];
const transformer = ['train', 'transformer', '--vqgan', 'vqgan', '--out', 'wrong', '--steps', '1'];

/** Command lines by name; each is run in the working folder of the checkout. */
const commands: Record<string, readonly string[]> = {
  'no such command': ['trian'],
  'no such stage': ['train', 'vqgna'],
  'no such flag': [...vqgan, '--stpes', '3'],
  'a flag without its value': ['train', 'vqgan', '--data'],
  'no images': ['train', 'vqgan', '--out', 'wrong'],
  'steps as text': ['train', 'vqgan', '--steps', 'many'],
  'no minutes': [...vqgan, '--minutes', '0'],
  'no such preset': [...vqgan, '-c', 'smal'],
  'no such file': [...vqgan, '-c', 'no/such.yaml'],
  'an unknown setting': [...vqgan, 'training.stpes=3'],
  'a setting of no section': [...vqgan, 'steps=3'],
  'a setting without a value': [...vqgan, 'training.steps'],
  'a setting that is not YAML': [...vqgan, 'training.steps=['],
  'a setting below a value': [...vqgan, 'data.path.sub=1'],
  'a setting of the wrong kind': [...vqgan, 'training.batchSize=0'],
  'a setting of the model of the wrong kind': [...tiny, 'model.params.n_embed=no'],
  'a setting of the other stage': [...vqgan, 'training.views=2'],
  'a folder that is not there': ['train', 'vqgan', '--data', 'no/such', '--out', 'wrong'],
  'a folder without images': ['train', 'vqgan', '--data', 'empty', '--out', 'wrong'],
  'a size that codes do not fill': [...tiny, 'data.size=15'],
  'a size other than that packed': [...tiny, 'data.path=../data/packed', 'data.size=8'],
  'a discriminator with too many layers': [...tiny, 'model.params.lossconfig.params.disc_num_layers=6'],
  'LPIPS weights that are not there': [
    ...tiny,
    'model.params.lossconfig.params.perceptual_weight=1',
    'training.lpips=no/such.safetensors',
  ],
  'CUDA that is not there': [...tiny, 'training.device=cuda:7'],
  'a run that is there already': [...vqgan, '-c', 'float32.yaml', '--out', '.', '--name', 'vqgan'],
  'a run to resume that is not there': ['train', 'vqgan', '--resume', 'no/such'],
  'the latest of no runs': ['train', 'vqgan', '--resume', 'latest', '--out', 'empty'],
  'a run of the other stage to resume': ['train', 'transformer', '--resume', 'vqgan'],
  'a seed changed on resuming': ['train', 'vqgan', '--resume', 'vqgan', 'training.seed=4'],
  'a model changed on resuming': ['train', 'vqgan', '--resume', 'vqgan', 'model.params.n_embed=4'],
  'a transformer without a first stage': [
    'train',
    'transformer',
    '--data',
    '../data/photos',
    '--out',
    'wrong',
  ],
  'a first stage that is not there': ['train', 'transformer', '--vqgan', 'no/such', '--out', 'wrong'],
  'a first stage that is a transformer': ['train', 'transformer', '--vqgan', 'transformer', '--out', 'wrong'],
  'classes of images without': [...transformer, '-c', 'classes', '--data', '../data/photos', 'data.size=8'],
  'heads that do not divide': [...transformer, 'model.params.transformer_config.params.n_head=5'],
  'a block that is too short': [...transformer, 'model.params.transformer_config.params.block_size=3'],
  'samples of a first stage': ['sample', 'vqgan'],
  'samples of no run': ['sample', 'no/such'],
  'no run at all': ['sample'],
  'a class of a run without': ['sample', 'transformer', '--class', 'round'],
  'a class that is almost right': ['sample', 'transformer-classes', '--class', 'rund'],
  'a class beyond the last': ['sample', 'transformer-classes', '--class', '2'],
  'half an image': ['sample', 'transformer', '--n', '0.5'],
  'a negative temperature': ['sample', 'transformer', '--temperature', '-1'],
  'top-k of 0': ['sample', 'transformer', '--top-k', '0'],
  'top-p above 1': ['sample', 'transformer', '--top-p', '2'],
  'a device by another name': ['sample', 'transformer', '--device', 'gpu'],
  'reconstructions of nothing': ['reconstruct', 'vqgan'],
  'reconstructions of images that are not there': ['reconstruct', 'vqgan', 'no/such.png'],
  'reconstructions too small': ['reconstruct', 'vqgan', '../data/photos', '--size', '0'],
  'a file to inspect that is not there': ['inspect', 'no/such.safetensors'],
  'a file to inspect that is not a checkpoint': ['inspect', 'float32.yaml'],
  'a file to convert that is not there': ['convert', 'no/such.ckpt', 'new.safetensors'],
  'a file of no known ending': ['convert', '../data/lpips.safetensors', 'new.weights'],
  'an unknown layout': ['convert', '../data/lpips.safetensors', 'new.pt', '--layout', 'llama'],
  'an unknown dtype': ['convert', '../data/lpips.safetensors', 'new.pt', '--dtype', 'int8'],
  'images packed in half': ['data', 'pack', '../data/photos', 'new', '--size', '1.5'],
  'images packed over others': ['data', 'pack', '../data/photos', '../data/packed', '--size', '16'],
  'images to look at that are not there': ['data', 'inspect', 'no/such'],
};

/** Removes lines of progress, which depend on the speed of the machine. */
const withoutProgress = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/: \d+%$/.test(line))
    .join('\n');

/** Returns one row per mistake: the exit code and standard error. */
export async function askCommandMistakes(checkout: Checkout): Promise<Rows> {
  restoreOldRuns(checkout.folder);
  mkdirSync(join(checkout.folder, 'empty'), { recursive: true });
  for (const { name, config } of runCases)
    writeFileSync(join(checkout.folder, `${name}.yaml`), JSON.stringify(config));
  const lines: Record<string, readonly string[]> = { ...commands };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(checkout.folder, `${name}.yaml`), text);
    lines[`in a file: ${name}`] = [...vqgan, '-c', `${name}.yaml`, '--dry-run'];
  }
  const rows: Rows = {};
  for (const [name, args] of Object.entries(lines)) {
    const { code, stderr } = await checkout.tessera(args);
    rows[name] = `exit code ${code}\n${withoutProgress(checkout.masked(stderr))}`;
  }
  return rows;
}
