/** Output of `--print-config` for every preset of both stages, and for files in the reference's structure. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import type { Checkout, Rows } from './checkout.js';
import { runCases } from './run-cases.js';

const stages = ['vqgan', 'transformer'] as const;

/** Settings, as `section.key`, that this checkout may print and the other does not know; maintained by hand. */
const ADDED = fileURLToPath(new URL('added-settings.json', import.meta.url));

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

/** Returns one row per command line. */
export async function askConfigs(checkout: Checkout, names: readonly string[]): Promise<Rows> {
  writeFileSync(join(checkout.folder, 'project.yaml'), JSON.stringify(project));
  for (const { name, config } of runCases)
    writeFileSync(join(checkout.folder, `printed-${name}.yaml`), JSON.stringify(config));
  const rows: Rows = {};
  for (const [name, args] of Object.entries(commandLines(names))) {
    const { code, stdout, stderr } = await checkout.tessera(args);
    rows[name] = checkout.masked(code === 0 ? `${stdout}${stderr}` : `exit code ${code}\n${stderr}`);
  }
  return rows;
}

const addedSettings = (): string[] => JSON.parse(readFileSync(ADDED, 'utf8')) as string[];

/** Returns the rows of both checkouts without settings that may have been added here. */
export function withoutAdded(
  other: Rows,
  own: Rows,
  added: readonly string[] = addedSettings(),
): [other: Rows, own: Rows] {
  const before = { ...other };
  const now = { ...own };
  if (added.length === 0) return [before, now];
  for (const [name, text] of Object.entries(own)) {
    const [document, known] = [parseDocument(text), parseDocument(other[name] ?? '')];
    const more = added
      .map((path) => path.split('.'))
      .filter((path) => document.hasIn(path) && !known.hasIn(path));
    if (more.length === 0) continue;
    // With the notes of the command line after it, it cannot be printed again.
    if (document.errors.length > 0 || known.errors.length > 0) {
      now[name] = more.reduce(
        (rest, path) => rest.replace(new RegExp(`^ +${path.at(-1)}: .*\n`, 'm'), ''),
        text,
      );
      continue;
    }
    for (const path of more) document.deleteIn(path);
    // Both are printed again without them, as the order of the other keys still counts.
    now[name] = document.toString();
    before[name] = known.toString();
  }
  return [before, now];
}
