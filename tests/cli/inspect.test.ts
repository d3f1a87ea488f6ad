import test from 'ava';
import { checkpoint, tessera, tesseraHere } from './tessera.js';

test('inspect tells model, step, values and tensors', async (t) => {
  const { code, stdout } = await tessera(['inspect', checkpoint('lightning.ckpt')]);
  t.is(code, 0);
  t.regex(
    stdout,
    /PyTorch \(zip\), 674 kB\nmodel +Net2NetTransformer; transformer: GPT, 3 layers of width 64, 48 tokens/,
  );
  const column = (name: string) => new RegExp(`^${name} +`, 'm').exec(stdout)?.[0].length;
  t.regex(stdout, /global_step +1234/);
  t.deepEqual(
    new Set(['model', 'tensors', 'epoch', 'global_step'].map(column)).size,
    1,
    'one below the other',
  );
  t.regex(stdout, /ModelCheckpoint': \{ best_model_path: 'logs\/best\.ckpt'/);
  t.regex(stdout, /state_dict\.transformer\.blocks +51 tensors/);
  const some = await tesseraHere(['inspect', checkpoint('lightning.ckpt'), '--keys', 'ln_f']);
  t.regex(some.stdout, /state_dict\.transformer\.ln_f\.weight +float32 +\[64\] +1 kB/);
  t.notRegex(some.stdout, /tok_emb/);
});

test('inspect gives JSON, and a plain error', async (t) => {
  const { stdout } = await tesseraHere(['inspect', checkpoint('plain-zip.pt'), '--json']);
  const report = JSON.parse(stdout) as { metadata: Record<string, unknown>; tensors: { key: string }[] };
  t.deepEqual(
    report.tensors.map(({ key }) => key),
    ['nested.a.b.0.c', 'ordered.a', 'object.scale'],
  );
  t.deepEqual((report.metadata['floats'] as unknown[]).slice(5), ['Infinity', '-Infinity', 'NaN']);
  const missing = await tesseraHere(['inspect', 'nowhere.ckpt']);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^error: cannot open checkpoint nowhere\.ckpt/);
});
