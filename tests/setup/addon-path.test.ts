import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import {
  PREBUILT_PLATFORMS,
  builtAddon,
  installCommand,
  locateAddon,
  platformPackage,
} from '../../src/setup/addon-path.js';
import { packageRoot } from '../../src/files/package.js';
import { platformName } from '../../src/setup/platform.js';
import { folder } from './fake-libtorch.js';

function write(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

test('the variable, then the own build, then the platform package', (t) => {
  const home = folder(t);
  const root = join(home, 'node_modules', 'tessera-torch');
  write(join(root, 'package.json'), '{"name":"tessera-torch","version":"7.8.9"}');
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

test('the command that mends a missing addon names the version that fits', (t) => {
  const root = join(folder(t), 'node_modules', 'tessera-torch');
  write(join(root, 'package.json'), '{"name":"tessera-torch","version":"7.8.9"}');
  const command = `npm install ${platformPackage()}@7.8.9`;
  t.is(installCommand(root), command);
  if (PREBUILT_PLATFORMS.includes(platformName()))
    t.true(t.throws(() => locateAddon({}, root)).message.includes(command));
});

test('so does the README, for the version that it comes with', (t) => {
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  const named = [...readme.matchAll(/npm install (tessera-torch-[\w-]+\S*?)`/g)].map(([, name]) => name);
  t.deepEqual(named, [installCommand().replace('npm install ', '')]);
});

test('a variable that points nowhere, or to a folder, is an error', (t) => {
  for (const given of ['/nowhere.node', folder(t)]) {
    const error = t.throws(() => locateAddon({ TESSERA_ADDON: given }));
    t.true(error.message.includes(`TESSERA_ADDON is ${given}, which `), error.message);
    t.regex(error.message, /; set it to a tessera\.node, or unset it$/);
  }
});
