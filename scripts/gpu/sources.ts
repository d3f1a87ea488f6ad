import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A hash of all sources, which tells whether dist/ was made from them. */
export function hashOfSources(root = '.'): string {
  const hash = createHash('sha256');
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((file) => file.endsWith('.ts')).sort()) {
    hash.update(name).update(readFileSync(join(root, 'src', name)));
  }
  return hash.digest('hex');
}
