import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { libraryFile } from '../../src/setup/platform.js';
import { selectLibtorch, selectNvidia, unpack } from '../../src/setup/unpack.js';
import type { Member } from './fake-libtorch.js';
import { folder, libtorchMembers, zip } from './fake-libtorch.js';

const all = (member: string) => member;

function write(home: string, members: Member[]): string {
  const path = join(home, 'archive.zip');
  writeFileSync(path, zip(members));
  return path;
}

for (const top of ['libtorch', 'torch']) {
  test(`takes libraries, headers and version from ${top}/, and nothing else`, async (t) => {
    const home = folder(t);
    const out = join(home, 'out');
    const count = await unpack(write(home, libtorchMembers(top)), out, { select: selectLibtorch });
    const libraries = ['c10', 'torch', 'torch_cpu'].map((name) => libraryFile(name));
    t.deepEqual(readdirSync(join(out, 'lib')).sort(), [...libraries, 'libgomp.so.1'].sort());
    t.deepEqual(readdirSync(out).sort(), ['build-version', 'include', 'lib']);
    t.is(readFileSync(join(out, 'lib', libraryFile('torch_cpu')), 'utf8'), 'torch_cpu'.repeat(1000));
    t.is(count, 6);
  });
}

test('members that would leave the folder are refused', async (t) => {
  for (const name of ['../evil', '/evil', 'a/../../evil', 'C:/evil', 'a\\..\\..\\evil']) {
    const home = folder(t);
    const out = join(home, 'out');
    await t.throwsAsync(unpack(write(home, [{ name, content: 'x' }]), out, { select: all }), undefined, name);
    t.false(existsSync(join(home, 'evil')));
  }
  const home = folder(t);
  const sneaky = { select: () => '../evil' };
  await t.throwsAsync(unpack(write(home, [{ name: 'good', content: 'x' }]), join(home, 'out'), sneaky), {
    message: /would be written outside/,
  });
});

test('links are refused', async (t) => {
  const home = folder(t);
  const path = write(home, [{ name: 'torch/lib/libc10.so', content: '/etc/passwd', mode: 0o120777 }]);
  await t.throwsAsync(unpack(path, join(home, 'out'), { select: all }), { message: /is a symbolic link/ });
});

test('a file that is not a zip, or is truncated anywhere, is an error', async (t) => {
  const home = folder(t);
  const path = join(home, 'archive.zip');
  const whole = zip(libtorchMembers());
  for (const length of [0, 1, 100, whole.length >> 1, whole.length - 1]) {
    writeFileSync(path, whole.subarray(0, length));
    await t.throwsAsync(unpack(path, join(home, `${length}`), { select: all }), {
      message: /not a complete zip file/,
    });
  }
  await t.throwsAsync(unpack(join(home, 'none.zip'), home, { select: all }), { message: /ENOENT/ });
});

testProp(
  'what selectLibtorch accepts is in include/, in lib/, or is the version',
  [
    fc.array(fc.constantFrom('..', '.', 'a', 'lib', 'torch', 'libtorch', 'include', 'x.so'), {
      maxLength: 6,
    }),
  ],
  (t, parts) => {
    const chosen = selectLibtorch(parts.join('/'));
    if (chosen !== null) t.regex(chosen, /^(include\/.+|lib\/[^/]+|build-version|version\.py)$/);
    else t.pass();
  },
);

testProp(
  'unpacking gives back what was packed',
  [fc.dictionary(fc.stringMatching(/^[a-z]{1,5}(\/[a-z]{1,5}){0,3}$/), fc.string(), { maxKeys: 8 })],
  async (t, files) => {
    // A name that is also another's folder cannot be unpacked anywhere.
    const names = Object.keys(files).filter((a) => !Object.keys(files).some((b) => b.startsWith(`${a}/`)));
    const home = folder(t);
    const archive = write(
      home,
      names.map((name) => ({ name, content: files[name] ?? '' })),
    );
    const out = join(home, 'out');
    t.is(await unpack(archive, out, { select: all }), names.length);
    for (const name of names) {
      t.false(isAbsolute(relative(out, join(out, name))));
      t.is(readFileSync(join(out, name), 'utf8'), files[name] ?? '');
    }
  },
);

test("NVIDIA's wheels give their shared libraries", (t) => {
  t.is(selectNvidia('nvidia/cu13/lib/libcublas.so.13'), 'nvidia/cu13/lib/libcublas.so.13');
  t.is(selectNvidia('nvidia/cu13/include/cublas.h'), null);
  t.is(selectNvidia('cuda/libx.so'), null);
});
