/**
 * Writes the API reference, generated from the docstrings, into docs-output/ as Markdown.
 *
 *     npm run docs
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { collectReference } from './reference/collect.js';
import { renderReference } from './reference/markdown.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
const reference = collectReference();
const output = `${root}docs-output/`;
rmSync(output, { recursive: true, force: true });
mkdirSync(output);
for (const [file, text] of renderReference(reference, version)) writeFileSync(output + file, text);
const symbols = [...reference.values()].reduce((sum, entries) => sum + entries.length, 0);
console.log(`${symbols} symbols of ${reference.size} namespaces; open docs-output/README.md`);
