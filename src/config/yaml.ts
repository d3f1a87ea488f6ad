/**
 * The package `yaml`, loaded where YAML is first read or written. Importing this library would otherwise load it first:
 * 20 ms that most programs do not need, and, as it is CommonJS, an error of its own in a bundle of ES modules, before
 * the addon's, which says what to do.
 */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

let loaded: typeof Yaml | undefined;

/** Returns the package `yaml`. */
export function yaml(): typeof Yaml {
  return (loaded ??= createRequire(import.meta.url)('yaml') as typeof Yaml);
}
