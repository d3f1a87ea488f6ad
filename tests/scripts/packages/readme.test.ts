import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { blocks, commands, ruleFor, rules } from '../../../scripts/packages/readme.js';
import { root } from '../../../scripts/packages/stage.js';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

test('the try of the packages has a rule for every command of the README', (t) => {
  const all = commands(readme);
  t.true(all.length > 40);
  for (const command of all) t.notThrows(() => ruleFor(command), command);
  const used = new Set(all.map(ruleFor));
  t.deepEqual(
    rules.filter((rule) => !used.has(rule)).map(({ like }) => String(like)),
    [],
    'no rule is left of a command that is gone',
  );
});

test('commands come from shell blocks and from code marks in the prose', (t) => {
  const text = [
    'Run `npx tessera-torch doctor` or `torch.ones`.',
    '```sh',
    '# a comment',
    'npx tessera-torch setup   # gets it',
    'cmake -S . \\',
    '  -B build',
    '```',
    '```ts',
    "import 'npx x';",
    '```',
    '```',
    'a listing',
    '```',
    '',
  ].join('\n');
  t.deepEqual(commands(text), ['npx tessera-torch setup', 'cmake -S . -B build', 'npx tessera-torch doctor']);
  t.deepEqual(
    blocks(text).map(({ language }) => language),
    ['sh', 'ts'],
  );
  t.throws(() => ruleFor('npx something-else'), { message: /no rule for: npx something-else/ });
});
