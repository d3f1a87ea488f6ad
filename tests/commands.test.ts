import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'ava';
import { packageRoot } from '../src/files/package.js';

const root = packageRoot();
const commands = readdirSync(join(root, 'src/cli/commands')).join('|');

/** Lines that tell a reader to run `tessera`, which npm knows as somebody else's package. */
const wrong = [/\bnpx tessera(?![-\w])/, new RegExp(`(?<![\\w/.-])tessera (?:${commands})\\b`)];

/** Files of the checkout whose text a reader may copy a command from. */
function texts(): string[] {
  const below = ['src', 'scripts', '.ci'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  );
  return [...below, 'README.md', 'CMakeLists.txt'];
}

test('every command in texts for readers goes by the name of the package', (t) => {
  const found: string[] = [];
  for (const file of texts()) {
    for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries())
      if (wrong.some((pattern) => pattern.test(line))) found.push(`${file}:${index + 1}: ${line.trim()}`);
  }
  t.deepEqual(found, []);
});

test('the package has the command under its own name, and under the short one', (t) => {
  const { name, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    name: string;
    bin: Record<string, string>;
  };
  t.deepEqual(Object.keys(bin).sort(), ['tessera', name].sort());
  t.is(bin['tessera'], bin[name]);
});
