/**
 * Does with the packages of `npm run pack` what a user does: installs them into an empty folder without scripts,
 * runs the set-up, and trains a small network, on each Node asked for. Run it with:
 * npm run try-packages -- 20 22 24 26
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../src/torch/native/libtorch/platform.js';

const TRAIN = `
import { torch, nn, optim } from 'tessera-torch';
torch.manualSeed(0);
const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 1));
const adam = new optim.Adam(net.parameters(), { lr: 0.01 });
const x = torch.randn([16, 4]);
const losses = [];
for (let step = 0; step < 20; step++) {
  torch.scope(() => {
    adam.zeroGrad();
    const loss = net.forward(x).sub(torch.ones([16, 1])).square().mean();
    loss.backward();
    adam.step();
    losses.push(loss.item());
  });
}
if (!(losses.at(-1) < losses[0] / 2)) throw new Error('the loss does not fall: ' + losses);
console.log('Node', process.versions.node, 'trains: loss', losses[0].toFixed(4), 'to', losses.at(-1).toFixed(4));
`;

function npmInstall(folder: string, packages: string[]): void {
  const flags = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
  execFileSync('npm', [...flags, ...packages], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
}

function emptyProject(folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return folder;
}

/** Path of a `node` of the given major version, from the npm registry; the running one is used as it is. */
function nodeOf(major: string, home: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const folder = emptyProject(join(home, `node-${major}`));
  npmInstall(folder, [`${name}@${major}`]);
  return join(folder, 'node_modules', name, 'bin', 'node');
}

const packed = join(packageRoot(), 'dist-packages');
const tarballs = readdirSync(packed).map((name) => join(packed, name));
const majors = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), 'tessera-try-'));
try {
  const user = emptyProject(join(home, 'user'));
  npmInstall(user, tarballs);
  writeFileSync(join(user, 'train.js'), TRAIN);
  const env = { ...process.env, TESSERA_CACHE: join(home, 'cache') };
  execFileSync('npx', ['--no-install', 'tessera', 'setup', '--no-build'], {
    cwd: user,
    env,
    stdio: 'inherit',
  });
  for (const major of majors.length > 0 ? majors : [process.versions.node.split('.')[0] ?? '']) {
    execFileSync(nodeOf(major, home), ['train.js'], { cwd: user, env, stdio: 'inherit' });
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
