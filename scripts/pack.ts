/**
 * Writes the npm packages into dist-packages/: `tessera-torch` (JavaScript, types and the native sources, without a
 * binary) and `tessera-torch-<platform>` (only the built addon). Run it with: npm run pack
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtAddon } from '../src/setup/addon-path.js';
import { buildAddon } from '../src/setup/build-addon.js';
import { locateLibtorch } from '../src/setup/locate.js';
import { npmPack, root, stageMain, stagePlatform } from './packages/stage.js';
import { newestVersions } from './symbol-versions.js';

const target = join(root, 'dist-packages');
const progress = { line: (text: string) => console.log(text), step() {} };
await buildAddon({ libtorch: locateLibtorch(), progress });
const staging = mkdtempSync(join(tmpdir(), 'tessera-pack-'));
try {
  const main = join(staging, 'main');
  const platform = join(staging, 'platform');
  for (const folder of [main, platform]) mkdirSync(folder);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  await stageMain(main);
  stagePlatform(platform, builtAddon(root));
  for (const folder of [main, platform]) {
    const { filename, files, size } = npmPack(folder, '--pack-destination', target);
    console.log(`${join('dist-packages', filename)}  ${files.length} files, ${size} bytes`);
  }
  if (process.platform === 'linux') {
    const symbols = execFileSync('objdump', ['-T', join(platform, 'tessera.node')], { encoding: 'utf8' });
    const newest = [...newestVersions(symbols)].map(([name, version]) => `${name}_${version}`);
    console.log(`tessera.node needs at most ${newest.join(', ')}`);
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
