/** Kernels of native/kernels as programs for the CPU, in place of launches on a device. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from '../../../src/torch/cuda/kernel.js';
import * as torch from '../../../src/torch/index.js';
import { Tensor } from '../../../src/torch/index.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-kernels-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

// Neither the compiler nor the programs are of interest to a sanitizer that watches this process.
const env = { ...process.env, LD_PRELOAD: undefined };
const programs = new Map<string, string | null>();
let launches = 0;

/**
 * Launches of the kernels in tests/torch/kernels/`name`.cc, compiled with these definitions: tensors go there and come back
 * as files. Null where there is no compiler.
 */
export function emulated(name: string, defines: Readonly<Record<string, number>>): Launch | null {
  const program = programOf(
    name,
    Object.entries(defines).map(([key, value]) => `-D${key}=${value}`),
  );
  if (program === null) return null;
  return (kernel, { grid, block }, kinds, args) => {
    const here = join(folder, `launch-${launches++}`);
    mkdirSync(here);
    const words = args.map((arg, i) => (arg instanceof Tensor ? `t${i}` : arg));
    writeFileSync(join(here, 'launch'), [kernel, grid[0], grid[1] ?? 1, block[0], kinds, ...words].join(' '));
    for (const [i, arg] of args.entries())
      if (arg instanceof Tensor) writeFileSync(join(here, `t${i}`), bytesOf(arg));
    execFileSync(program, [here], { env });
    for (const [i, arg] of args.entries()) {
      if (!(arg instanceof Tensor)) continue;
      const bits = readFileSync(join(here, `t${i}`));
      const bytes = torch.tensor(new Uint8Array(bits)).view({ dtype: arg.dtype });
      torch.noGrad(() => inMemoryOrder(arg).copy_(bytes));
    }
    rmSync(here, { recursive: true });
  };
}

function programOf(name: string, defines: string[]): string | null {
  const key = [name, ...defines].join(' ');
  const known = programs.get(key);
  if (known !== undefined) return known;
  const program = join(folder, key.replaceAll(/\W+/g, '-'));
  const source = fileURLToPath(new URL(`${name}.cc`, import.meta.url));
  try {
    execFileSync('g++', ['-std=c++20', '-O1', '-w', ...defines, source, '-o', program], { env });
    programs.set(key, program);
    return program;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    programs.set(key, null);
    return null;
  }
}

/** All bytes behind a tensor, in the order of memory. */
function bytesOf(x: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = inMemoryOrder(x).toTypedArray();
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function inMemoryOrder(x: Tensor): Tensor {
  return x.detach().asStrided([x.numel()], [1]);
}
