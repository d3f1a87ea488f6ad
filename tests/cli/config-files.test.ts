/** Configuration files as editors write them, and settings on top of what refers to others. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readTrainConfig } from '../../src/cli/commands/train/config.js';
import { UsageError } from '../../src/cli/usage-error.js';
import { readConfig } from '../../src/models/registry/read-config.js';
import { folder } from '../setup/fake-libtorch.js';

function written(t: ExecutionContext, content: string | Uint8Array): string {
  const path = join(folder(t), 'run.yaml');
  writeFileSync(path, content);
  return path;
}

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const plain = 'training:\n  steps: 9\ndata: { path: café }\n';

for (const [encoding, bytes] of [
  ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${plain}`)],
  ['UTF-16', utf16(`\ufeff${plain}`)],
  ['UTF-16 without a mark', utf16(plain)],
  ['UTF-16, high bytes first', utf16(`\ufeff${plain}`).swap16()],
  ['ends of lines of Windows', Buffer.from(plain.replaceAll('\n', '\r\n'))],
] as const) {
  test(`a configuration is read in ${encoding}`, async (t) => {
    const path = written(t, bytes);
    const { config } = await readTrainConfig('vqgan', { files: [path], flags: [], overrides: [] });
    t.is(config.training.steps, 9);
    t.is(config.data.path, 'café');
    t.like(await readConfig(path), { training: { steps: 9 }, data: { path: 'café' } });
  });
}

for (const [what, content, message] of [
  ['another encoding', Buffer.from(plain, 'latin1'), /run\.yaml:3: this is not text in UTF-8; save/],
  ['a damaged encoding', utf16(`\ufeff${plain}`).subarray(0, 41), /run\.yaml: .*not text in UTF-16LE; save/],
  ['two documents', Buffer.from(`${plain}---\n${plain}`), /run\.yaml:4: .*a second document begins/],
] as const) {
  test(`a configuration in ${what} is refused with the way out`, async (t) => {
    const path = written(t, content);
    const input = { files: [path], flags: [], overrides: [] };
    await t.throwsAsync(readTrainConfig('vqgan', input), { instanceOf: UsageError, message });
    await t.throwsAsync(readConfig(path), { message });
  });
}

const on = (flags: [string, string, string][], overrides: string[]) => ({ flags, overrides });
const flag = on([['--data', 'data.path', 'other']], []);
const override = on([], ['data.path=other']);

for (const [way, given] of [
  ['a flag', flag],
  ['an override', override],
] as const) {
  test(`${way} keeps the rest of a map that is only referred to`, async (t) => {
    const path = written(t, 'base: { size: 16, flip: false }\ndata: ${base}\ntraining: { steps: 1 }\n');
    const { config } = await readTrainConfig('vqgan', { files: [path], ...given });
    t.like(config.data, { path: 'other', size: 16, flip: false });
  });

  test(`${way} leaves a name without use that was there to be referred to`, async (t) => {
    const path = written(t, 'root: photos\ndata: { path: "${root}/a", size: 16 }\ntraining: { steps: 1 }\n');
    const { config } = await readTrainConfig('vqgan', { files: [path], ...given });
    t.is(config.data.path, 'other');
  });

  test(`${way} below a reference to nothing is refused, naming the place`, async (t) => {
    const path = written(t, 'data: ${base}\ntraining: { steps: 1 }\n');
    await t.throwsAsync(readTrainConfig('vqgan', { files: [path], ...given }), {
      instanceOf: UsageError,
      message: /data: "\$\{base\}" refers to nothing/,
    });
  });
}

test('a file on top of another keeps what that refers to, wherever it stands', async (t) => {
  const [under, over] = [
    written(t, 'data: ${base}\n'),
    written(t, 'data: { path: other }\nbase: { size: 16 }\n'),
  ];
  const { config } = await readTrainConfig('vqgan', {
    files: [under, over],
    ...on([], ['training.steps=1']),
  });
  t.like(config.data, { path: 'other', size: 16 });
});

test('a run’s own config.yaml is a configuration of its stage', async (t) => {
  const path = written(t, `stage: vqgan\n${plain}`);
  const input = { files: [path], flags: [], overrides: [] };
  const { config } = await readTrainConfig('vqgan', input);
  t.is(config.training.steps, 9);
  t.false('stage' in config);
  await t.throwsAsync(readTrainConfig('transformer', input), {
    instanceOf: UsageError,
    message: /run\.yaml:1: this is the configuration of a vqgan, not of a transformer: use ".* train vqgan"/,
  });
  const unknown = { ...input, files: [written(t, `stage: third\n${plain}`)] };
  await t.throwsAsync(readTrainConfig('vqgan', unknown), { message: /run\.yaml:1: unknown key "stage"/ });
});
