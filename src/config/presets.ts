/** The presets of the package: configuration files of training, one folder, named `STAGE-NAME.yaml`. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../files/package.js';

const folder = (): string => join(packageRoot(), 'src', 'cli', 'presets');

/** Returns the names of a stage's presets, sorted. */
export function presetNames(stage: string): string[] {
  const name = new RegExp(`^${stage}-(.*)\\.yaml$`);
  return readdirSync(folder())
    .flatMap((file) => name.exec(file)?.[1] ?? [])
    .sort();
}

/** Returns the file of a preset; null if there is none of that name. */
export function presetFile(stage: string, name: string): string | null {
  const path = join(folder(), `${stage}-${name}.yaml`);
  return existsSync(path) ? path : null;
}
