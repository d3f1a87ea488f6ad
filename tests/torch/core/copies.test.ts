import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import * as first from 'tessera-torch';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tessera-copies-'));
const addon = process.env['TESSERA_ADDON'] ?? join(root, 'build', 'Release', 'tessera.node');
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** Another copy of the package, as a test runner or a second module format would load it. */
function copyOfPackage(name: string, version?: string): string {
  const copy = join(folder, name);
  mkdirSync(copy);
  cpSync(join(root, 'dist'), join(copy, 'dist'), {
    recursive: true,
    filter: (path) => !/\.(map|d\.ts|tsbuildinfo)$/.test(path),
  });
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  writeFileSync(
    join(copy, 'package.json'),
    JSON.stringify({ ...manifest, version: version ?? manifest.version }),
  );
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

type Package = typeof first;

async function load(copy: string): Promise<Package> {
  process.env['TESSERA_ADDON'] = addon;
  return (await import(pathToFileURL(join(copy, 'dist', 'index.js')).href)) as Package;
}

let second: Package;
test.before(async () => {
  second = await load(copyOfPackage('second'));
});
const both: [string, () => [Package, Package]][] = [
  ['the first, with objects of the second', () => [first, second]],
  ['the second, with objects of the first', () => [second, first]],
];

test('the copies are not the same', (t) => {
  t.not(first.torch.Tensor, second.torch.Tensor);
});

test('copies that take turns keep shapes and values', (t) => {
  const a = first.torch.arange(6).view([2, 3]);
  const b = second.torch.arange(4).view([2, 2]);
  for (let i = 0; i < 3; i++) {
    t.deepEqual(a.shape, [2, 3]);
    t.deepEqual(b.shape, [2, 2]);
    t.deepEqual(a.add(a).tolist(), [
      [0, 2, 4],
      [6, 8, 10],
    ]);
    t.deepEqual(b.mul(2).sum(1).tolist(), [2, 10]);
  }
});

test('calls that need more room than there was are right in both copies, before and after', (t) => {
  for (const [, packages] of both) {
    const [one, other] = packages();
    const long = Array.from({ length: 40_000 }, (_, i) => one.torch.full([1], BigInt(i)));
    t.is(one.torch.cat(long).sum().item(), 799_980_000);
    t.deepEqual(other.torch.ones([2, 3]).add(1).tolist(), [
      [2, 2, 2],
      [2, 2, 2],
    ]);
  }
});

const matrix = ({ torch }: Package): first.torch.Tensor => torch.tensor([[1, 2], [3, 4]]); // prettier-ignore

for (const [which, packages] of both) {
  test(`a tensor of another copy is a tensor: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const x = matrix(other);
    t.true(x instanceof torch.Tensor);
    t.deepEqual(torch.ones([2, 2]).add(x).tolist(), [
      [2, 3],
      [4, 5],
    ]);
    t.deepEqual(x.add(torch.ones([2, 2])).shape, [2, 2]);
    t.deepEqual(torch.cat([x, torch.zeros([1, 2])]).shape, [3, 2]);
    t.deepEqual(torch.relu(x).tolist(), x.tolist());
    t.deepEqual(torch.callOperator('aten::neg', '', [x]).sum().item(), -10);
    t.is(torch.ones([2, 2]).add_(x).sum().item(), 14);
    t.is(torch.describe(x), 'float32[2, 2]');
    t.false(new Date() instanceof torch.Tensor);
    t.throws(() => torch.ones([2], x as never), { instanceOf: torch.ArgumentError });
  });

  test(`scopes hold for the tensors of both: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const inside: first.torch.Tensor[] = [];
    const result = torch.scope(() => {
      inside.push(matrix(other));
      const kept = other.torch.scope(() => {
        inside.push(matrix(other), torch.ones([2]));
        return { sum: matrix(other).add(torch.ones([2, 2])) };
      });
      t.false(kept.sum.disposed);
      return kept;
    });
    t.deepEqual(
      inside.map((tensor) => tensor.disposed),
      [true, true, true],
    );
    t.is(result.sum.sum().item(), 14);
    t.notThrows(() => torch.keep(matrix(other)));
    torch.dispose([result, matrix(other)]);
    t.true(result.sum.disposed);
  });

  test(`noGrad holds for both: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const leaf = other.torch.ones([2], { requiresGrad: true });
    torch.noGrad(() => {
      t.false(other.torch.isGradEnabled());
      t.false(leaf.mul(2).requiresGrad);
    });
    t.true(leaf.mul(2).requiresGrad);
  });

  test(`hooks and gradients go through both: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const leaf = matrix(other).requiresGrad_();
    const seen: number[] = [];
    leaf.registerHook((gradient) => {
      seen.push(gradient.sum().item());
      return torch.ones([2, 2]).add(gradient);
    });
    const square = torch.customFunction({
      forward(context, x: first.torch.Tensor) {
        context.saveForBackward(x);
        return x.mul(x);
      },
      backward: ({ savedTensors: [x] }, gradient) => gradient.mul(x!).mul(2),
    });
    square(leaf).sum().backward();
    t.deepEqual(seen, [20]);
    t.deepEqual(leaf.grad!.tolist(), [
      [3, 5],
      [7, 9],
    ]);
  });

  test(`a module holds layers and parameters of another copy: ${which}`, (t) => {
    const [{ nn, optim, F }, other] = packages();
    class Net extends nn.Module {
      readonly own = new nn.Linear(2, 2);
      readonly layer = new other.nn.BatchNorm1d(2);
      readonly scale = new other.nn.Parameter(other.torch.ones([2]));
      override forward(x: first.torch.Tensor): first.torch.Tensor {
        return this.layer.forward(this.own.forward(x)).mul(this.scale);
      }
    }
    const net = new Net();
    t.deepEqual(
      [...net.stateDict().keys()],
      [
        'scale',
        'own.weight',
        'own.bias',
        'layer.weight',
        'layer.bias',
        'layer.running_mean',
        'layer.running_var',
        'layer.num_batches_tracked',
      ],
    );
    t.is(net.buffers().length, 3);
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
    F.mseLoss(net.forward(matrix(other)), other.torch.zeros([2, 2])).backward();
    const before = net.scale.tolist();
    optimizer.step();
    t.notDeepEqual(net.scale.tolist(), before);
    t.deepEqual(net.loadStateDict(other.torch.scope(() => new Net().stateDict())).missing, []);
    t.true(net.layer instanceof nn.Module);
    t.true(net.scale instanceof nn.Parameter);
    t.false(matrix(other) instanceof nn.Parameter);
    t.false(net.layer instanceof nn.Linear);
  });

  test(`generators and errors of another copy are known: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const generator = new other.torch.Generator().manualSeed(4);
    const expected = new torch.Generator().manualSeed(4);
    t.deepEqual(torch.rand([2], { generator }).tolist(), torch.rand([2], { generator: expected }).tolist());
    const error = t.throws(() => other.torch.ones([2]).add(other.torch.ones([3])));
    t.true(error instanceof torch.ShapeError);
    t.true(error instanceof torch.TorchError);
    t.false(error instanceof torch.DTypeError);
    t.true(other.torch.slice(0, 1) instanceof torch.Slice);
    t.is(matrix(other).at(torch.slice(0, 1)).sum().item(), 3);
    t.is(torch.ones([1]).add(other.torch.floatScalar(2)).item(), 3);
  });

  test(`memory's budget is one for both: ${which}`, (t) => {
    const [{ torch }, other] = packages();
    const before = torch.memoryBudget();
    torch.setMemoryBudget(before - 1000);
    t.is(other.torch.memoryBudget(), before - 1000);
    torch.setMemoryBudget(before);
  });
}

test('a third copy, loaded while scopes are open and after the wire has grown, works as the others do', async (t) => {
  const budget = first.torch.memoryBudget();
  first.torch.setMemoryBudget(budget - 4096);
  const third = await load(copyOfPackage('third'));
  t.is(third.torch.memoryBudget(), budget - 4096, 'and leaves the budget as it is');
  first.torch.setMemoryBudget(budget);
  t.deepEqual(third.torch.arange(6).view([2, 3]).shape, [2, 3]);
  t.deepEqual(
    second.torch
      .ones([2])
      .add(third.torch.ones([2]))
      .tolist(),
    [2, 2],
  );
});

test('another version on the same addon is refused, and the error says which and what to do', async (t) => {
  const copy = copyOfPackage('newer', '99.0.0');
  const error = await t.throwsAsync(load(copy));
  t.regex(error.message, /two versions of tessera-torch .*99\.0\.0 in .*newer/);
  t.regex(error.message, /npm ls tessera-torch/);
  t.is(first.torch.ones([2]).sum().item(), 2, 'what was there goes on working');
});

/** Another copy, with an addon of its own beside it, as npm nests a package that two others ask for in different versions. */
function copyWithAddon(name: string, version?: string): string {
  const copy = copyOfPackage(name, version);
  mkdirSync(join(copy, 'build', 'Release'), { recursive: true });
  cpSync(addon, join(copy, 'build', 'Release', 'tessera.node'));
  return copy;
}

/** Loads a copy with the addon it would find by itself. */
async function loadWithOwnAddon(copy: string): Promise<Package> {
  delete process.env['TESSERA_ADDON'];
  return (await import(pathToFileURL(join(copy, 'dist', 'index.js')).href)) as Package;
}

test.serial('a copy with an addon of its own works on the one that the thread has', async (t) => {
  const other = await loadWithOwnAddon(copyWithAddon('own-addon'));
  const x = first.torch.arange(6).view([2, 3]);
  const { torch, nn } = other;
  t.deepEqual(torch.ones([2, 3]).add(x).sum(1).tolist(), [6, 15]);
  t.deepEqual(new nn.Linear(3, 4).forward(x).shape, [2, 4]);
  t.deepEqual(
    x
      .add(torch.ones([3]))
      .sum()
      .item(),
    21,
  );
});

test.serial('another version is refused although it has an addon of its own', async (t) => {
  const error = await t.throwsAsync(loadWithOwnAddon(copyWithAddon('newer-own-addon', '98.0.0')));
  t.regex(
    error.message,
    /two versions of tessera-torch .*98\.0\.0 in .*newer-own-addon.*npm ls tessera-torch/,
  );
  t.is(first.torch.ones([2]).sum().item(), 2, 'what was there goes on working');
});

test.serial('a worker has an addon of its own choice, whatever its parent has loaded', async (t) => {
  const copy = copyWithAddon('in-worker', '97.0.0');
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData).then(({ torch }) => parentPort.postMessage(torch.arange(3).sum().item()));`;
  const worker = new Worker(source, {
    eval: true,
    workerData: pathToFileURL(join(copy, 'dist', 'index.js')).href,
    env: { ...process.env, TESSERA_ADDON: '' },
  });
  const [sum] = (await once(worker, 'message')) as [number];
  t.is(sum, 3);
  await worker.terminate();
});

test('a CommonJS program that requires the package and imports a module that imports it', async (t) => {
  const project = join(folder, 'commonjs');
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  symlinkSync(root, join(project, 'node_modules', 'tessera-torch'));
  writeFileSync(join(project, 'package.json'), '{ "type": "commonjs" }');
  writeFileSync(
    join(project, 'other.mjs'),
    `import { torch } from 'tessera-torch';
     export const Tensor = torch.Tensor;
     export const make = () => torch.scope(() => torch.arange(6).view([2, 3]).add(torch.ones([2, 3])));`,
  );
  writeFileSync(
    join(project, 'main.ts'),
    `const { torch } = require('tessera-torch');
     void (async () => {
       const other = await import('./other.mjs');
       const mine = torch.ones([4, 1]);
       const made = other.make();
       console.log(JSON.stringify([mine.shape, made, torch.ones([2, 3]).add(made).sum().item(), mine.shape]));
     })();`,
  );
  const tsx = join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs');
  const { stdout } = await run(process.execPath, [tsx, 'main.ts'], { cwd: project });
  t.deepEqual(JSON.parse(stdout), [[4, 1], [[1, 2, 3], [4, 5, 6]], 27, [4, 1]]); // prettier-ignore
});
