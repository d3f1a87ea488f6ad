import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { TOKEN_LIST } from '../../src/data/files/token-folder.js';

/** Copies a run into a folder, as if it had been trained on tokens, whose images are not there; returns the copy. */
export function runOnTokens(folder: string, run: string): string {
  const [tokens, copy] = [join(folder, 'tokens'), join(folder, 'run-on-tokens')];
  mkdirSync(tokens, { recursive: true });
  writeFileSync(join(tokens, TOKEN_LIST), '{ "format": 1 }');
  cpSync(run, copy, { recursive: true });
  const file = join(copy, 'config.yaml');
  const config = parse(readFileSync(file, 'utf8')) as { data: object };
  writeFileSync(file, stringify({ ...config, data: { ...config.data, path: tokens } }));
  return copy;
}
