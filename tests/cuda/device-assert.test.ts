/** A kernel that fails ends CUDA for its process, so each case has a process of its own. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { device, onGpu } from './device.js';

const library = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'torch', 'index.ts');

/** Runs statements that have `torch` and `names`, and reports what they put into `names`. */
function inProcess(statements: string): { names: string[]; status: number | null; signal: string | null } {
  const code = `
    const torch = await import(${JSON.stringify(library)});
    const names = [];
    const attempt = (work) => { try { work(); names.push('nothing'); } catch (error) { names.push(error.constructor.name); } };
    ${statements}
    console.log(JSON.stringify(names));`;
  const args = ['--import=tsx', '--input-type=module', '-e', code];
  const { stdout, status, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { names: JSON.parse(stdout.trim().split('\n').at(-1) || '[]') as string[], status, signal };
}

onGpu(
  'an index out of range on the device is one fatal error that every call repeats; the CPU goes on',
  (t) => {
    const { names, signal } = inProcess(`
    const table = torch.ones([4, 2], { device: '${device}' });
    const wrong = torch.tensor([9], { dtype: 'int64' }).to('${device}');
    attempt(() => { torch.embedding(table, wrong); torch.cuda.synchronize(); });
    attempt(() => torch.zeros([1], { device: '${device}' }).add(1).item());
    attempt(() => torch.cuda.memGetInfo());
    names.push(String(torch.ones([2]).sum().item()));`);
    t.deepEqual(names, ['DeviceAssertError', 'DeviceAssertError', 'DeviceAssertError', '2']);
    t.is(signal, null);
  },
);

onGpu('out of memory is an error after which a smaller tensor fits, with its graph too', (t) => {
  const { names, status } = inProcess(`
    const { total } = torch.cuda.memGetInfo('${device}');
    attempt(() => torch.empty([total * 2], { dtype: 'uint8', device: '${device}' }));
    attempt(() => torch.ones([1 << 20], { device: '${device}', requiresGrad: true }).mul(2).sum().backward());
    names.push(String(torch.cuda.memoryStats('${device}').outOfMemory > 0));`);
  t.deepEqual(names, ['OutOfMemoryError', 'nothing', 'true']);
  t.is(status, 0);
});
