import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { packageRoot, rootAbove } from '../../src/files/package.js';
import { folder } from './fake-libtorch.js';

test('a file of the package finds its folder', (t) => {
  t.is(rootAbove(pathToFileURL(join(packageRoot(), 'dist/files/package.js')).href), packageRoot());
});

test('in a bundle the error says what to mark external, and how with each bundler', (t) => {
  const project = folder(t);
  mkdirSync(join(project, 'dist/server/chunks/app'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{"name":"somebody-elses"}');
  const bundle = pathToFileURL(join(project, 'dist/server/chunks/app/main.js')).href;
  const loose = pathToFileURL(join(folder(t), 'main.js')).href;
  // What `import.meta.url` is in bundles: esbuild's CommonJS has none; others name the bundle, or where it came from.
  for (const address of [
    undefined,
    bundle,
    loose,
    'file:///main.js',
    'webpack:///src/main.js',
    'blob:nodedata:1',
    '',
  ])
    for (const part of [
      /^tessera-torch was put into a bundle.*Mark it external:$/m,
      /esbuild.*--external:tessera-torch/,
      /Rollup.*external: \['tessera-torch'\]/,
      /webpack.*externals: \{ 'tessera-torch': 'commonjs tessera-torch' \}/,
      /Vite.*external: \['tessera-torch'\]/,
      /Next\.js.*serverExternalPackages: \['tessera-torch'\]/,
    ])
      t.regex(t.throws(() => rootAbove(address)).message, part, address);
});
