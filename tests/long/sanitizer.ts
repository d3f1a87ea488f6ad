/**
 * `npm run test:long -- sanitizer [test files]`: builds the addon with AddressSanitizer, into build/sanitizer, and runs the native
 * tests with it, then a process with workers that ends by itself: no memory used after it was freed, none written beyond
 * its end, none left over at the end but what sanitizer.supp lists. libtorch and Node are not instrumented, but their
 * allocations are watched. Needs g++ and its libasan; takes about five minutes. Exits with 1 where anything is reported.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { locateLibtorch } from '../../src/setup/locate.js';

// gradients.test.ts is left out: libtorch's own `vander`, recorded, leaves a cycle of nodes behind (from Python too), and
// without the function's name in the report, which would have to be suppressed by. The children of fuzz.test.ts run in less
// memory than AddressSanitizer needs.
const TESTS = [
  ...['', 'core/', 'checks/', 'native/'].map((folder) => `tests/torch/${folder}*.test.ts`),
  '!tests/torch/gradients.test.ts',
  '!tests/torch/fuzz.test.ts',
];
const root = fileURLToPath(new URL('../..', import.meta.url));
const addon = join(root, 'build/sanitizer/Release/tessera.node');
const reports = mkdtempSync(join(tmpdir(), 'tessera-sanitizer-'));

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): number | null {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status;
}

function build(): void {
  const args = ['cmake-js', 'compile', '-G', 'Ninja', '--out', 'build/sanitizer', '--CDTESSERA_SANITIZE=ON'];
  const status = run('npx', [...args, `--CDTESSERA_LIBTORCH=${locateLibtorch().root}`]);
  if (status !== 0) throw new Error(`the build ended with code ${status}`);
}

/** The sanitizer comes first in a process that was not built with it. */
function sanitized(): NodeJS.ProcessEnv {
  const { stdout } = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const library = stdout.trim();
  if (!existsSync(library)) throw new Error('g++ has no libasan.so; install the compiler’s sanitizers');
  return {
    TESSERA_ADDON: addon,
    LD_PRELOAD: library,
    // Vectors that libtorch fills and we read carry no marks of where they end.
    ASAN_OPTIONS: `detect_leaks=1:detect_container_overflow=0:log_path=${join(reports, 'report')}`,
    LSAN_OPTIONS: `suppressions=${join(root, 'tests/long/sanitizer.supp')}:print_suppressions=0`,
    OMP_NUM_THREADS: '1',
  };
}

/** Tensors of every kind alive, two workers computing, a checkpoint read in between: all of it is given back at the end. */
const ending = {
  way: 'natural',
  place: 'reading',
  kinds: ['matmul', 'hook', 'customFunction', 'recomputed', 'inference', 'mistakes', 'decomposition'],
  delay: 2000,
  workers: 2,
  checkpoint: join(root, 'tests/fixtures/golden/vqgan-weights.safetensors'),
};

build();
const env = sanitized();
const tests = run(
  'npx',
  ['ava', '--timeout=10m', ...(process.argv.length > 2 ? process.argv.slice(2) : TESTS)],
  env,
);
const end = run(process.execPath, ['tests/long/ending-process.mjs', JSON.stringify(ending)], env);
const found = readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'));
rmSync(reports, { recursive: true });
for (const report of found) console.error(report);
const clean = tests === 0 && end === 42 && found.length === 0;
console.log(
  `${clean ? 'clean' : 'NOT CLEAN'}: ${found.length} reports; tests ended with ${tests} (0), the process with ${end} (42)`,
);
if (!clean) process.exitCode = 1;
