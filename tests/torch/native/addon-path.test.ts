import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { builtAddon, locateAddon, platformPackage } from '../../../src/torch/native/libtorch/addon-path.js';
import { folder } from './fake-libtorch.js';

function write(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

test('the variable, then the own build, then the platform package', (t) => {
  const home = folder(t);
  const root = join(home, 'node_modules', 'tessera-torch');
  write(join(root, 'package.json'), '{"name":"tessera-torch"}');
  t.throws(() => locateAddon({}, root), {
    message: /addon .* was not found.*npx tessera-torch setup --build/,
  });

  const platform = join(home, 'node_modules', platformPackage());
  write(join(platform, 'package.json'), '{}');
  t.throws(() => locateAddon({}, root), { message: /was not found/ });
  const packaged = write(join(platform, 'tessera.node'));
  t.is(locateAddon({}, root), packaged);

  const built = write(builtAddon(root));
  t.is(locateAddon({}, root), built);

  const own = write(join(home, 'own.node'));
  t.is(locateAddon({ TESSERA_ADDON: own }, root), own);
});

test('a variable that points nowhere is an error', (t) => {
  t.throws(() => locateAddon({ TESSERA_ADDON: '/nowhere.node' }), {
    message: /TESSERA_ADDON is \/nowhere\.node/,
  });
});
