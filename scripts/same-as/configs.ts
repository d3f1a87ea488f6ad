/** Output of `--print-config` for every preset of both stages, and for files in the reference's structure. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkout, Rows } from './checkout.js';
import { runCases } from './run-cases.js';

const stages = ['vqgan', 'transformer'] as const;

/** Returns the names of presets: files `STAGE-NAME.yaml` in any folder named presets below src. */
export function presetNames(root: string): string[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const names = files.flatMap((file) => /(?:^|[\\/])presets[\\/]\w+-(\w+)\.yaml$/.exec(file)?.[1] ?? []);
  return [...new Set(names)].sort();
}

/** Overrides, by name. */
const overrides: Record<string, readonly string[]> = {
  'a batch size': ['training.batchSize=8'],
  'steps, no minutes': ['training.steps=100'],
  'a size': ['data.size=32', 'data.flip=false'],
  'a rate from the model': ['model.base_learning_rate=1e-6'],
};

/** A file with the data and Lightning sections of the reference. */
const project = {
  model: {
    base_learning_rate: 4.5e-6,
    target: 'taming.models.vqgan.VQModel',
    params: {
      embed_dim: 8,
      n_embed: 16,
      monitor: 'val/rec_loss',
      ddconfig: {
        double_z: false,
        z_channels: 8,
        resolution: 32,
        in_channels: 3,
        out_ch: 3,
        ch: 32,
        ch_mult: [1, 1],
        num_res_blocks: 1,
        attn_resolutions: [16],
        dropout: 0,
      },
      lossconfig: {
        target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
        params: { disc_start: 10000, disc_weight: 0.8 },
      },
    },
  },
  data: { target: 'main.DataModuleFromConfig', params: { batch_size: 5, num_workers: 8 } },
  lightning: { trainer: { benchmark: true, max_steps: 700 } },
};

/** Returns the command lines whose configuration is printed, by name. */
function commandLines(names: readonly string[]): Record<string, string[]> {
  const lines: Record<string, string[]> = {};
  for (const stage of stages) {
    const print = ['train', stage, '--data', 'photos', '--print-config'];
    lines[`${stage}, no preset`] = print;
    lines[`${stage}, without --data`] = ['train', stage, '--print-config'];
    for (const preset of names) lines[`${stage}, preset ${preset}`] = [...print, '-c', preset];
    for (const [name, settings] of Object.entries(overrides))
      lines[`${stage}, ${name}`] = [...print, ...settings];
    lines[`${stage}, flags`] = [...print, '--minutes', '3', '--steps', '9'];
  }
  lines['vqgan, a file of the reference'] = [
    'train',
    'vqgan',
    '--data',
    'photos',
    '-c',
    'project.yaml',
    '--print-config',
  ];
  for (const { name, stage } of runCases)
    if (stage === 'vqgan')
      lines[`vqgan, run ${name}`] = ['train', stage, '-c', `printed-${name}.yaml`, '--print-config'];
  return lines;
}

/** Returns two rows per command line: the configuration or the error, and the notes. */
export async function askConfigs(checkout: Checkout, names: readonly string[]): Promise<Rows> {
  writeFileSync(join(checkout.folder, 'project.yaml'), JSON.stringify(project));
  for (const { name, config } of runCases)
    writeFileSync(join(checkout.folder, `printed-${name}.yaml`), JSON.stringify(config));
  const rows: Rows = {};
  for (const [name, args] of Object.entries(commandLines(names))) {
    const { code, stdout, stderr } = await checkout.tessera(args);
    rows[name] = checkout.masked(code === 0 ? stdout : `exit code ${code}\n${stderr}`);
    rows[`${name}: notes`] = code === 0 ? checkout.masked(stderr) : '';
  }
  return rows;
}
