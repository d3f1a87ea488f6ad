import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { builtAddon } from '../../src/setup/addon-path.js';
import { buildAddon, hashInputs } from '../../src/setup/build-addon.js';
import { locateLibtorch } from '../../src/setup/locate.js';
import { folder, writeLibtorch } from './fake-libtorch.js';

/** A package with native sources. */
function writePackage(root: string): string {
  mkdirSync(join(root, 'native'), { recursive: true });
  mkdirSync(join(root, 'build', 'Release'), { recursive: true });
  writeFileSync(join(root, 'CMakeLists.txt'), '');
  writeFileSync(join(root, 'native', 'a.cc'), '');
  return root;
}

test('a build that is up to date is used without a lock, also where the package is closed to writing', async (t) => {
  const root = writePackage(folder(t));
  const libtorch = locateLibtorch({ LIBTORCH: writeLibtorch(folder(t)) });
  writeFileSync(builtAddon(root), '');
  writeFileSync(
    join(root, 'build', 'tessera-build.json'),
    JSON.stringify({ inputs: hashInputs(root, libtorch) }),
  );
  // Nothing can be created under the lock's name, whoever asks.
  mkdirSync(join(root, 'build', '.lock'));
  const lines: string[] = [];
  const progress = { line: (text: string) => void lines.push(text), step() {} };
  t.is(await buildAddon({ libtorch, root, progress }), builtAddon(root));
  t.deepEqual(lines, ['the addon is up to date']);
});

test('a package whose build folder cannot be written to is named, with the way out', async (t) => {
  const root = folder(t);
  const libtorch = locateLibtorch({ LIBTORCH: writeLibtorch(folder(t)) });
  writeFileSync(join(root, 'build'), '');
  const error = await t.throwsAsync(buildAddon({ libtorch, root, progress: { line() {}, step() {} } }));
  t.regex(error.message, /build cannot be written to \(.*\); make it writable, or .* set TESSERA_ADDON$/);
});
