/** Builds the configuration of a training run from presets, files, flags and overrides. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nearest } from '../../../config/nearest.js';
import { presetFile, presetNames } from '../../../config/presets.js';
import { ConfigError } from '../../../config/read.js';
import { isInterpolation } from '../../../config/interpolation-syntax.js';
import { checkModelConfig } from '../../../models/registry/from-config.js';
import { checkChanges, resolveConfig, type RunConfig, type Stage } from '../../../runs/config.js';
import { lengthKeys } from '../../../runs/length.js';
import { ConfigSource, isTree, type ConfigTree } from './config-files.js';
import { takeReferenceSections } from './reference-sections.js';
import { UsageError } from '../../usage-error.js';

/** The preset of both stages that trains on a CPU. */
const BASE = 'small';

export interface TrainInput {
  /** Files or names of presets, merged left to right. */
  files: readonly string[];
  /** Settings from flags, each with its flag. */
  flags: readonly (readonly [flag: string, path: string, value: unknown])[];
  /** `key.sub=value` */
  overrides: readonly string[];
}

/** Placeholders in a printed configuration for paths that the command line leaves out. */
export const examplePlaces = { images: 'path/to/images', vqgan: 'runs/vqgan' } as const;

/** Reads everything in `input` without a base configuration or resolving references. */
export async function readGiven(stage: Stage, input: TrainInput): Promise<ConfigSource> {
  const source = new ConfigSource();
  for (const file of input.files) {
    await source.readFile(resolveConfigFile(stage, file));
    takeStage(source, stage);
  }
  // Checked before flags and overrides are merged, which would hide the mistake.
  for (const name of ['model', 'data', 'training']) checkSection(source, name);
  if (asksForLength(input)) dropLength(source.tree);
  for (const [flag, path, value] of input.flags) source.put(nested(path, value), flag);
  for (const assignment of input.overrides) source.override(assignment);
  return source;
}

/** Removes the key `stage` of a run's own config.yaml, which must match the command. */
function takeStage(source: ConfigSource, stage: Stage): void {
  const found = source.tree['stage'];
  if (found !== 'vqgan' && found !== 'transformer') return;
  if (found !== stage) {
    const command = `"npx tessera-torch train ${found}"`;
    throw placed(
      source,
      'stage',
      `this is the configuration of a ${found}, not of a ${stage}: use ${command}`,
    );
  }
  delete source.tree['stage'];
}

/** Throws a UsageError if a section is a plain value; references are checked when they are resolved. */
function checkSection(source: ConfigSource, name: string): void {
  const section = source.tree[name];
  if (section === undefined || section === null || isTree(section) || isInterpolation(section)) return;
  throw placed(source, name, `"${name}" is a section with keys below it, not a value`);
}

/** Reads the changes of a resumed run: resolves references and checks for unknown keys. */
export async function readChanges(stage: Stage, input: TrainInput): Promise<ConfigSource> {
  const source = await readGiven(stage, input);
  settle(source);
  explained(source, () => {
    checkModel(source, true);
    checkChanges(stage, source.tree);
  });
  return source;
}

/** Resolves references, and applies the reference's own sections. Returns notes. */
function settle(source: ConfigSource): string[] {
  source.resolve(['model', 'data', 'training', 'lightning']);
  return takeReferenceSections(source.tree);
}

/** Checks the model section; `partial` if the rest of it comes from elsewhere. */
function checkModel({ tree }: ConfigSource, partial: boolean): void {
  if (tree['model'] !== undefined && tree['model'] !== null)
    checkModelConfig(tree['model'], 'model', partial);
}

/**
 * Reads the complete configuration. The preset `small` is the base of files that describe no model; `inherit` returns
 * the settings taken from the runs that it begins from, which everything else overrides. An `example` may
 * leave out the images.
 */
export async function readTrainConfig(
  stage: Stage,
  input: TrainInput,
  {
    inherit,
    example = false,
  }: { inherit?: (given: ConfigTree) => Promise<ConfigTree>; example?: boolean } = {},
): Promise<{ source: ConfigSource; config: RunConfig; notes: string[] }> {
  const given = await readGiven(stage, input);
  const source = new ConfigSource();
  if (example) source.put({ data: { path: examplePlaces.images } }, 'the example');
  const inherited = inherit ? await inherit(given.tree) : {};
  source.put(inherited, 'the run that it begins from');
  if (![given.tree, inherited].some(hasModel)) {
    await source.readFile(presetFile(stage, BASE)!);
    const training = (given.tree['training'] ?? {}) as ConfigTree;
    if (lengthKeys.some((key) => training[key] !== undefined)) dropLength(source.tree);
  }
  source.merge(given);
  const notes = settle(source);
  const config = explained(source, () => {
    // The sizes of a second stage are derived from the first.
    checkModel(source, stage === 'transformer');
    return resolveConfig(stage, source.tree);
  });
  return { source, config, notes };
}

/** True if a configuration says which model it is of. */
export const hasModel = ({ model }: ConfigTree): boolean => isTree(model) && model['target'] !== undefined;

/** Runs a check of the configuration; an error starts with file and line of the key. */
function explained<T>(source: ConfigSource, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { data } = source.tree as { data?: ConfigTree };
    if (error.path === 'data.path' && (data?.['path'] ?? null) === null) {
      throw new UsageError(
        'no images to train on: name their folder with --data DIR (--data scenes draws small landscapes instead)',
      );
    }
    throw placed(source, error.path, error.message, error);
  }
}

function placed(source: ConfigSource, path: string, message: string, cause?: Error): UsageError {
  const place = source.where(path);
  return new UsageError(place === null ? message : `${place}: ${message}`, { cause });
}

/** True if the command line sets the length of the run. */
function asksForLength({ flags, overrides }: TrainInput): boolean {
  const paths = [
    ...flags.map(([, path]) => path),
    ...overrides.map((assignment) => assignment.split('=')[0]),
  ];
  return lengthKeys.some((key) => paths.includes(`training.${key}`));
}

/**
 * Removes the length in a file. A run ends at its first limit, so that of a file could end it before a requested one.
 */
function dropLength({ training }: ConfigTree): void {
  if (!isTree(training)) return;
  for (const key of lengthKeys) delete training[key];
}

/** Returns the file of this name, or else the preset: a folder may have the name of a preset, such as `faces`. */
function resolveConfigFile(stage: Stage, name: string): string {
  const found = statSync(name, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) return name;
  const preset = presetFile(stage, name);
  if (preset !== null) return preset;
  if (found) {
    const inside = join(name, 'config.yaml');
    throw new UsageError(
      `-c ${name}: this is a folder; name ${existsSync(inside) ? `the file in it, ${inside}` : 'a YAML file, or a preset'}`,
    );
  }
  if (/[./\\]/.test(name)) return name;
  const names = presetNames(stage);
  throw new UsageError(
    `-c ${name}: neither a file nor a preset; the nearest preset is "${nearest(name, names)}" (there are ${names.join(', ')})`,
  );
}

/** Converts `a.b` and a value to `{ a: { b: value } }`. */
function nested(path: string, value: unknown): ConfigTree {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigTree;
}
