import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { STAMP_FILE, cachedInstallations, locateLibtorch, versionVerdict } from '../../src/setup/locate.js';
import { cacheRoot, libraryFile } from '../../src/setup/platform.js';
import { folder, writeInstalled, writeLibtorch } from './fake-libtorch.js';

test('LIBTORCH comes before the cache, and may be a site-packages folder', (t) => {
  const cache = folder(t);
  const installed = writeInstalled(cache);
  const own = writeLibtorch(join(folder(t), 'torch'));
  t.like(locateLibtorch({ TESSERA_CACHE: cache }), { root: installed, source: 'cache', flavor: 'cpu' });
  const found = locateLibtorch({ TESSERA_CACHE: cache, LIBTORCH: own });
  t.deepEqual(found, {
    root: own,
    lib: join(own, 'lib'),
    include: join(own, 'include'),
    version: '2.13.0',
    source: 'LIBTORCH',
    flavor: 'cpu',
  });
  t.is(locateLibtorch({ LIBTORCH: join(own, '..') }).root, own);
});

test('a LIBTORCH without libraries is an error, not a reason to look elsewhere', (t) => {
  const cache = folder(t);
  writeInstalled(cache);
  const error = t.throws(() => locateLibtorch({ TESSERA_CACHE: cache, LIBTORCH: '/nowhere' }));
  t.regex(error.message, /LIBTORCH is \/nowhere.*npx tessera-torch setup/);
});

test('places that cannot hold a libtorch are called by their names, with the way out', (t) => {
  const file = join(folder(t), 'file');
  writeFileSync(file, '');
  const cache = folder(t);
  writeFileSync(join(cache, 'libtorch'), '');
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ LIBTORCH: file }, /LIBTORCH is .*file, which is a file; .*npx tessera-torch setup/],
    [{ LIBTORCH: join(file, 'below') }, /LIBTORCH is .*below, but .*npx tessera-torch setup/],
    [{ LIBTORCH: folder(t) }, /has a lib\/ with .*npx tessera-torch setup/],
    [{ TESSERA_CACHE: file }, /file, where it is kept, is a file; set TESSERA_CACHE to a folder/],
    [{ TESSERA_CACHE: join(file, 'below') }, /below\/libtorch contains none/],
    [{ TESSERA_CACHE: cache }, /libtorch, where it is kept, is a file; set TESSERA_CACHE to a folder/],
  ];
  for (const [env, expected] of cases) t.regex(t.throws(() => locateLibtorch(env)).message, expected);
});

test('without a home folder the cache is an error that names TESSERA_CACHE, never a relative path', (t) => {
  const nowhere = () => null;
  t.throws(() => cacheRoot({}, nowhere), { message: /no home folder.*set TESSERA_CACHE to a folder/ });
  t.is(cacheRoot({ TESSERA_CACHE: '/a' }, nowhere), '/a');
  t.is(cacheRoot({ XDG_CACHE_HOME: '/b' }, nowhere), '/b/tessera');
  t.throws(() => cacheRoot({ XDG_CACHE_HOME: 'relative' }, nowhere), { message: /TESSERA_CACHE/ });
});

test.serial('an empty or relative HOME gives way to the list of users', (t) => {
  const { HOME } = process.env;
  t.teardown(() => {
    if (HOME === undefined) delete process.env['HOME'];
    else process.env['HOME'] = HOME;
  });
  for (const home of ['', 'relative']) {
    process.env['HOME'] = home;
    t.is(cacheRoot({}), join(userInfo().homedir, '.cache', 'tessera'));
  }
});

test('nothing installed names the command that mends it', (t) => {
  const cache = folder(t);
  const error = t.throws(() => locateLibtorch({ TESSERA_CACHE: cache }));
  t.regex(error.message, /libtorch 2\.13\.0 is not installed.*npx tessera-torch setup/);
});

test('an installation without its stamp, or without its libraries, does not count', (t) => {
  const cache = folder(t);
  const first = writeInstalled(cache);
  t.is(cachedInstallations(cache).length, 1);
  rmSync(join(first, 'lib', libraryFile('torch_cpu')));
  t.is(cachedInstallations(cache).length, 0);
  writeLibtorch(first);
  t.is(cachedInstallations(cache).length, 1);
  for (const text of ['', '{', '{}', 'null', '[]']) {
    writeFileSync(join(first, STAMP_FILE), text);
    t.is(cachedInstallations(cache).length, 0);
  }
  rmSync(join(first, STAMP_FILE));
  t.is(cachedInstallations(cache).length, 0);
});

test('among cached installations the pinned version wins', (t) => {
  const cache = folder(t);
  writeInstalled(cache, '2.11.0');
  writeInstalled(cache, '2.14.1');
  const pinned = writeInstalled(cache, '2.13.0');
  t.is(locateLibtorch({ TESSERA_CACHE: cache }).root, pinned);
});

test.serial('a tolerated version warns once, another is refused', async (t) => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  t.teardown(() => process.off('warning', listen));
  const near = writeLibtorch(folder(t), '2.14.1+cu130', 'cuda');
  for (let i = 0; i < 3; i++) t.is(locateLibtorch({ LIBTORCH: near }).flavor, 'cuda');
  await new Promise(setImmediate);
  t.is(warnings.filter(({ message }) => message.includes(near)).length, 1);
  const far = writeLibtorch(folder(t), '2.5.1');
  t.throws(() => locateLibtorch({ LIBTORCH: far }), { message: /libtorch 2\.5\.1 .* needs 2\.13\.0/ });
});

test('a libtorch that does not state its version is refused', (t) => {
  const root = writeLibtorch(folder(t));
  rmSync(join(root, 'build-version'));
  t.throws(() => locateLibtorch({ LIBTORCH: root }), { message: /contains libtorch, but not its version/ });
  mkdirSync(join(root, 'include', 'torch', 'headeronly'), { recursive: true });
  writeFileSync(join(root, 'include/torch/headeronly/version.h'), '#define TORCH_VERSION "2.13.0"\n');
  t.is(locateLibtorch({ LIBTORCH: root }).version, '2.13.0');
});

test('which versions load', (t) => {
  t.is(versionVerdict('2.13.0'), 'pinned');
  for (const version of ['2.11.0', '2.13.1', '2.14.1']) t.is(versionVerdict(version), 'tolerated');
  for (const version of ['2.1.0', '2.12.0', '2.130.0', '2.15.0', '3.13.0'])
    t.is(versionVerdict(version), 'refused');
});

test('where the cache is', (t) => {
  t.is(cacheRoot({ TESSERA_CACHE: '/a', XDG_CACHE_HOME: '/b' }), '/a');
  t.is(cacheRoot({ XDG_CACHE_HOME: '/b' }), '/b/tessera');
  t.true(cacheRoot({}).endsWith('/.cache/tessera'));
});
