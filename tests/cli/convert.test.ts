import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { convertFile } from '../../src/cli/commands/convert/run.js';
import { inspectFile } from '../../src/cli/commands/inspect/run.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint, savePytorch, saveSafetensors } from '../../src/torch/io/index.js';
import { checkpoint, tessera, tesseraHere } from './tessera.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-convert-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('convert writes safetensors and PyTorch files with equal values', async (t) => {
  const from = await loadCheckpoint(checkpoint('lightning.ckpt'));
  for (const name of ['weights.safetensors', 'weights.pt', 'weights.ckpt']) {
    const path = join(folder, name);
    const { code, stderr } = await tesseraHere(['convert', checkpoint('lightning.ckpt'), path]);
    t.is(code, 0, stderr);
    const { tensors, metadata, close } = await loadCheckpoint(path);
    t.is(tensors.size, 56);
    for (const [key, tensor] of tensors) t.true(tensor.equal(from.tensors.get(key)!), key);
    if (name !== 'weights.pt') t.is(Number(metadata['global_step']), 1234);
    t.false('optimizer_states' in metadata);
    close();
  }
});

test('convert chooses, casts and refuses', async (t) => {
  const path = join(folder, 'some.safetensors');
  const args = ['convert', checkpoint('lightning.ckpt'), path, '--dtype', 'bfloat16'];
  const options = ['--prefix', 'transformer.', '--ignore', 'blocks.', 'head.'];
  t.is((await tessera([...args, ...options])).code, 0);
  const { tensors, close } = await loadCheckpoint(path);
  t.deepEqual([...tensors.keys()].sort(), ['ln_f.bias', 'ln_f.weight', 'pos_emb', 'tok_emb.weight']);
  t.is(tensors.info('pos_emb')?.dtype, 'bfloat16');
  close();
  const again = await tesseraHere([...args, ...options]);
  t.deepEqual([again.code, /exists; --force replaces it/.test(again.stderr)], [2, true]);
  t.is((await tesseraHere(['convert', checkpoint('views.pt'), join(folder, 'x.onnx')])).code, 2);
});

test('convert brings weights into another layout and back', async (t) => {
  const ddconfig = {
    zChannels: 32,
    resolution: 32,
    inChannels: 3,
    outCh: 3,
    ch: 32,
    chMult: [1, 2],
    numResBlocks: 1,
    attnResolutions: [16],
  };
  const model = new VQModel({ ddconfig, nEmbed: 16, embedDim: 8 });
  const [own, theirs, back] = ['own.safetensors', 'theirs.safetensors', 'back.pt'].map((name) =>
    join(folder, name),
  );
  await saveSafetensors(own!, model.stateDict());
  t.is((await tesseraHere(['convert', own!, theirs!, '--layout', 'diffusers'])).code, 0);
  const foreign = await loadCheckpoint(theirs!);
  t.deepEqual(foreign.tensors.info('encoder.mid_block.attentions.0.to_q.weight')?.shape, [64, 64]);
  foreign.close();
  t.is((await tesseraHere(['convert', theirs!, back!, '--layout', 'reference'])).code, 0);
  const { tensors, close } = await loadCheckpoint(back!);
  for (const [key, tensor] of model.stateDict()) t.true(tensors.get(key)!.equal(tensor), key);
  close();
});

const before = (prefix: string) => (key: string) => `${prefix}${key}`;
const within = (name: string) => (key: string) => key.replace(/^(encoder|decoder)\./, `$1.${name}.`);
const wrappers: [string, (key: string) => string][] = [
  ['nothing', (key) => key],
  ['data-parallel training', before('module.')],
  ['a trainer, compiled', before('model._orig_mod.')],
  ['two trainers', before('net.vqgan.')],
  ['a second stage', before('first_stage_model.')],
  ['data-parallel training of parts', within('module')],
  ['compiled parts', within('_orig_mod')],
  ['compiled parts in a trainer', (key) => `model.${within('_orig_mod')(key)}`],
];

for (const layout of ['reference', 'diffusers', 'llamagen', 'latent-diffusion'] as const) {
  test(`convert finds weights of the layout ${layout} in wrappers`, async (t) => {
    const ddconfig = { zChannels: 32, resolution: 32, inChannels: 3, outCh: 3, ch: 32, chMult: [1, 2] };
    const model = new VQModel({
      ddconfig: { ...ddconfig, numResBlocks: 1, attnResolutions: [16] },
      nEmbed: 16,
      embedDim: 8,
    });
    const [own, theirs, wrapped, back] = ['o', 't', 'w', 'b'].map((name) =>
      join(folder, `${layout}-${name}.safetensors`),
    ) as [string, string, string, string];
    await saveSafetensors(own, model.stateDict());
    await convertFile(own, theirs, { layout });
    for (const [name, wrap] of wrappers) {
      const source = await loadCheckpoint(theirs);
      await saveSafetensors(wrapped, source.tensors.renamed(wrap));
      source.close();
      for (const fromLayout of [undefined, layout]) {
        await convertFile(wrapped, back, {
          layout: 'reference',
          force: true,
          ...(fromLayout && { fromLayout }),
        });
        const again = await loadCheckpoint(back);
        t.deepEqual([...again.tensors.keys()].sort(), [...model.stateDict().keys()].sort(), name);
        again.close();
      }
      t.regex(await inspectFile(wrapped, {}), /VQModel f2/, name);
    }
  });
}

test('convert takes the first stage out of a second for another layout, and keeps it whole for its own', async (t) => {
  const model = new VQModel({
    ddconfig: {
      zChannels: 32,
      resolution: 32,
      inChannels: 3,
      outCh: 3,
      ch: 32,
      chMult: [1, 2],
      numResBlocks: 1,
      attnResolutions: [16],
    },
    nEmbed: 16,
    embedDim: 8,
  });
  const [whole, to] = [join(folder, 'whole.safetensors'), join(folder, 'out.safetensors')];
  const tensors = [...model.stateDict()].map(([key, value]): [string, torch.Tensor] => [
    `first_stage_model.${key}`,
    value,
  ]);
  await saveSafetensors(whole, new Map([...tensors, ['transformer.head.weight', torch.ones([2, 2])]]));
  await convertFile(whole, to, { layout: 'diffusers' });
  const stage = await loadCheckpoint(to);
  t.deepEqual(stage.tensors.info('encoder.mid_block.attentions.0.to_q.weight')?.shape, [64, 64]);
  t.false(stage.tensors.has('transformer.head.weight'));
  stage.close();
  await convertFile(whole, to, { layout: 'reference', force: true });
  const same = await loadCheckpoint(to);
  t.true(same.tensors.has('transformer.head.weight'));
  t.true(same.tensors.has('first_stage_model.quant_conv.weight'));
  same.close();
});

test('setup lifts LPIPS out of a checkpoint, and says what to do where it cannot be fetched', async (t) => {
  const path = join(folder, 'vqgan.ckpt');
  const lpips = new LPIPS();
  const tensors = [...lpips.stateDict()].map(([key, tensor]): [string, torch.Tensor] => [
    `loss.perceptual_loss.${key}`,
    // One number each: the file stays small.
    torch.full([1], 0.5).expand(tensor.shape),
  ]);
  await savePytorch(path, { state_dict: new Map(tensors) });
  const { LIBTORCH } = process.env;
  const libtorch = LIBTORCH
    ? {}
    : { LIBTORCH: (await import('../../src/setup/locate.js')).locateLibtorch().root };
  const env = { TESSERA_CACHE: join(folder, 'cache'), ...libtorch };
  const { code, stderr } = await tesseraHere(['setup', '--weights', 'lpips', '--from', path], env);
  t.is(code, 0, stderr);
  const stored = await loadCheckpoint(join(folder, 'cache', 'weights', 'lpips.safetensors'));
  t.deepEqual([...stored.all.keys()].sort(), [...lpips.stateDict().keys()].sort());
  stored.close();
  const closed = { ...env, TESSERA_CACHE: join(folder, 'other'), HTTPS_PROXY: 'http://127.0.0.1:9' };
  const refused = await tesseraHere(['setup', '--weights', 'lpips'], closed);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /cannot be fetched.*--weights lpips --from/s);
});
