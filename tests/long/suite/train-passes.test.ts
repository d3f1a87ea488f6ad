/** How often `train` reads each section of its configuration, counted in a build whose one reader counts its calls. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';
import { stringify } from 'yaml';
import type * as command from '../../../src/cli/commands/train/run.js';
import type { Reading } from '../../../src/config/read.js';
import { packageRoot } from '../../../src/files/package.js';
import { transformerConfig, vqganConfig } from '../../training/tiny.js';

const root = packageRoot();
const reader = join(root, 'src/config/read.ts');
/** Below the checkout, where packages are found. */
const built = mkdtempSync(join(root, 'build', 'counting-'));
const folder = mkdtempSync(join(tmpdir(), 'tessera-passes-'));
test.after.always(() => [built, folder].forEach((path) => rmSync(path, { recursive: true, force: true })));

const calls: (Pick<Reading, 'path' | 'owner'> & { whole: boolean })[] = [];
let train: typeof command.train;

const counted = (text: string): string => {
  const head = 'export function readTree<S extends Schema>(';
  if (!text.includes(head)) throw new Error('src/config/read.ts has no readTree any more');
  return (
    text.replace(head, 'function uncounted<S extends Schema>(') +
    `export const readTree: typeof uncounted = (schema, given, reading) => {
       (globalThis as any).countedCalls.push({ ...reading, whole: 'training' in schema });
       return uncounted(schema, given, reading);
     };`
  );
};

test.before(async () => {
  Object.assign(globalThis, { countedCalls: calls });
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/commands/train/run.ts'],
    outdir: built,
    plugins: [
      {
        name: 'counting',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const text = readFileSync(path, 'utf8');
            const address = JSON.stringify(pathToFileURL(path).href);
            // What asks for its own address is answered as in scripts/build-tests.mjs.
            const contents = (path === reader ? counted(text) : text).replaceAll(
              'import.meta'.concat('.url'),
              address,
            );
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
    bundle: true,
    splitting: true,
    keepNames: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
  });
  ({ train } = (await import(pathToFileURL(join(built, 'run.js')).href)) as typeof command);
});

type Config = { model: { params: Record<string, unknown> }; training: object };

/** Trains, and returns how often each section was read: those of the model by their places below `model`. */
async function passesOf(...args: Parameters<typeof train>): Promise<Record<string, number>> {
  calls.length = 0;
  await train(...args);
  const passes: Record<string, number> = {};
  // Constructors read what they are called with, whoever calls them: they are the owners of it.
  for (const { path, whole } of calls.filter(({ owner }) => owner === undefined)) {
    const ofModel = !whole && /^(params\b|$)/.test(path);
    const section = ofModel ? ['model', path].filter(Boolean).join('.') : path;
    passes[section] = (passes[section] ?? 0) + 1;
  }
  return passes;
}

/** Trains a new run of a step. */
function passesOfNew(stage: 'vqgan' | 'transformer', name: string, { model, training }: Config) {
  const file = join(folder, `${name}.yaml`);
  const data = { path: 'scenes', size: 16 };
  writeFileSync(file, stringify({ model, data, training: { ...training, steps: 1 } }));
  const input = { files: [file], flags: [], overrides: [] };
  return passesOf(stage, input, { out: folder, name, quiet: true });
}

const vqgan = (training: object = {}) => vqganConfig({ ...training, lpips: 'off' }) as unknown as Config;
const transformer = (training: object = {}) =>
  transformerConfig(join(folder, 'vqgan-float32'), { ...training }) as unknown as Config;

/** Expects that these sections were read twice, and no other more often. */
function twice(t: ExecutionContext, passes: Record<string, number>, ...sections: string[]): void {
  for (const section of ['', 'data', 'training', 'model', 'model.params', ...sections])
    t.is(passes[section], 2, section);
  t.deepEqual(
    Object.entries(passes).filter(([, count]) => count > 2),
    [],
  );
}

// `auto` builds two more models, to time them.
for (const precision of ['float32', 'auto'])
  test.serial(`a new first stage reads no section more than twice, precision ${precision}`, async (t) => {
    const passes = await passesOfNew('vqgan', `vqgan-${precision}`, vqgan({ precision }));
    twice(t, passes, 'model.params.ddconfig', 'model.params.lossconfig.params');
  });

for (const precision of ['float32', 'auto'])
  test.serial(`nor does a new transformer, precision ${precision}`, async (t) => {
    const passes = await passesOfNew('transformer', `transformer-${precision}`, transformer({ precision }));
    twice(t, passes, 'model.params.transformer_config.params');
  });

test.serial('nor does a resumed run', async (t) => {
  const input = { files: [], flags: [], overrides: ['training.steps=2'] };
  const flags = { out: folder, resume: join(folder, 'vqgan-float32'), quiet: true };
  const passes = await passesOf('vqgan', input, flags);
  t.deepEqual([passes['data'], passes['training'], passes['model.params']], [2, 2, 1]);
  t.true(Object.values(passes).every((count) => count <= 2));
});

test.serial('nor does a transformer with a number of classes that the images decide', async (t) => {
  const { model, training } = transformer({ conditionDropout: 0.5 });
  const { unconditional: _, ...params } = model.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator', params: {} };
  const conditional = { ...params, cond_stage_config, cond_stage_key: 'class' };
  const passes = await passesOfNew('transformer', 'classes', {
    training,
    model: { ...model, params: conditional },
  });
  const section = 'model.params.cond_stage_config';
  twice(t, passes, section, `${section}.params`, 'model.params.transformer_config.params');
});
