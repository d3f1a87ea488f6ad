import { mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { messageOf } from '../../src/cli/system-error.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-errors-'));
const file = join(root, 'file');
writeFileSync(file, '');
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Returns an error as the system throws it: a test that root may run cannot make places without permission. */
function systemError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: …, ${syscall} '${path}'`), { code, syscall, path });
}

async function thrown(fails: () => unknown): Promise<unknown> {
  try {
    await fails();
  } catch (error) {
    return error;
  }
  return null;
}

test('errors of the system are one line that names the place and the reason in words', async (t) => {
  const cases: [() => unknown, string][] = [
    [
      () => openSync(join(root, 'missing', 'x'), 'w'),
      `${root}/missing/x: there is no such file or folder (open)`,
    ],
    [() => openSync(join(file, 'x'), 'r'), `${file}/x: part of the path is a file, not a folder (open)`],
    [
      () => mkdirSync(join(file, 'x'), { recursive: true }),
      `${file}/x: part of the path is a file, not a folder (mkdir)`,
    ],
    [() => openSync(root, 'w'), `${root}: this is a folder, not a file (open)`],
    [() => readdirSync(file), `${file}: part of the path is a file, not a folder (scandir)`],
    [() => rename(file, join(root, 'no', 'x')), `${root}/no/x: there is no such file or folder (rename)`],
  ];
  for (const [fails, expected] of cases) t.is(messageOf(await thrown(fails)), expected);
});

test('where writing is refused the message says the way out', (t) => {
  for (const [code, syscall] of [
    ['EROFS', 'open'],
    ['EROFS', 'mkdir'],
    ['EACCES', 'mkdir'],
    ['EPERM', 'rename'],
    ['ENOSPC', 'write'],
  ] as const)
    t.regex(
      messageOf(systemError(code, syscall, '/closed/x')),
      /^\/closed\/x: .* \(\w+\); name another place to write to \(see --help\), or work in another folder$/,
    );
});

test('a file that is only on its way is not named, its folder is', (t) => {
  for (const name of ['.m.safetensors.12.ab12cd34.tmp', 'grid.png.partial-12', 'config.yaml.12.partial'])
    t.true(messageOf(systemError('EROFS', 'open', `/closed/${name}`)).startsWith('/closed: '));
});

test('what node --permission denies is said with the flag that allows it', (t) => {
  const error = (permission: string, resource: string) =>
    Object.assign(new Error('Access to this API has been restricted'), {
      code: 'ERR_ACCESS_DENIED',
      permission,
      resource,
    });
  t.regex(messageOf(error('FileSystemRead', '/a')), /^\/a: .*--allow-fs-read=\/a$/);
  t.regex(messageOf(error('FileSystemWrite', '/a')), /--allow-fs-write=\/a$/);
  t.regex(messageOf(error('ChildProcess', '')), /--allow-child-process$/);
});

test('the flag for writing names the folder that is there, for another name is written next time', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of [
    'run.lock.4711',
    'runs/vqgan/images',
    'packed.partial-12',
    '.m.safetensors.12.ab12cd34.tmp',
  ]) {
    const refused = Object.assign(new Error('Access to this API has been restricted'), {
      code: 'ERR_ACCESS_DENIED',
      permission: 'FileSystemWrite',
      resource: join(folder, name),
    });
    t.true(messageOf(refused).endsWith(`; add --allow-fs-write=${folder}`), name);
    class Own extends Error {}
    const said = messageOf(new Own('cannot be written to', { cause: refused }));
    t.is(
      said,
      `cannot be written to; add --allow-fs-write=${folder}`,
      `${name}, as the cause of another error`,
    );
  }
});

test('other messages stay as they are', (t) => {
  class Own extends Error {}
  t.is(
    messageOf(Object.assign(new Own('said already'), { code: 'ENOENT', syscall: 'open' })),
    'said already',
  );
  t.is(messageOf(new Error('plain')), 'plain');
  t.is(messageOf('text'), 'text');
});
