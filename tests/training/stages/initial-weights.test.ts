/** Weights that a new run begins with: `ckpt_path` in the reference's structure, and first stages in files of others. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { modelFromConfig, type ModelConfig } from '../../../src/models/registry/from-config.js';
import { initFromCkpt, unloadedCheckpoints } from '../../../src/models/weights/initial.js';
import type { llamaGen } from '../../../src/models/weights/key-maps/index.js';
import { diffusers, withKeys } from '../../../src/models/weights/key-maps/index.js';
import type { Net2NetTransformer } from '../../../src/models/two-stage.js';
import type { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { savePytorch, saveSafetensors } from '../../../src/torch/io/index.js';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { images, transformerConfig, vqganConfig } from '../tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-initial-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));
const fresh = (name: string): string => join(root, name);

type Params = Record<string, unknown>;

/** The tiny first stage with more parameters. */
function vqgan(more: Params) {
  const { model, ...rest } = vqganConfig();
  return { ...rest, model: { ...model, params: { ...model.params, ...more } } };
}

const trained = modelFromConfig<VQModel>(vqganConfig().model);
const state = trained.stateDict();
/** Returns the notes of a run's last start, from its folder. */
function notesOf({ folder }: { folder: string }): string {
  const starts = JSON.parse(readFileSync(join(folder, 'environment.json'), 'utf8')) as { notes: string[] }[];
  return starts.at(-1)!.notes.join('\n');
}

async function written(name: string, change: (key: string) => string = (key) => key): Promise<string> {
  const path = fresh(name);
  const tensors = new Map([...state].map(([key, tensor]) => [change(key), tensor]));
  if (name.endsWith('.ckpt')) await savePytorch(path, { state_dict: tensors, global_step: 9 });
  else await saveSafetensors(path, tensors);
  return path;
}

test.serial('a first stage begins with the weights of ckpt_path, in whatever wrapper', async (t) => {
  const files = [
    await written('plain.ckpt'),
    await written('wrapped.safetensors', (key) => `module._orig_mod.${key}`),
  ];
  for (const [i, ckpt_path] of files.entries()) {
    const trainer = await VqganTrainer.create(vqgan({ ckpt_path, ignore_keys: ['quantize.', 'loss.'] }), {
      run: fresh(`first-${i}`),
      images: images(),
    });
    const own = trainer.model.stateDict();
    t.true(own.get('encoder.conv_in.weight')!.equal(state.get('encoder.conv_in.weight')!));
    t.false(own.get('quantize.embedding.weight')!.equal(state.get('quantize.embedding.weight')!));
    t.regex(notesOf(trainer), new RegExp(`\\d+ tensors .*loaded from ${ckpt_path}`));
    await trainer.close();
  }
});

test.serial('bfloat16 networks and their masters begin with them too', async (t) => {
  const ckpt_path = await written('half.ckpt');
  const trainer = await VqganTrainer.create(
    { ...vqgan({ ckpt_path }), training: vqganConfig({ precision: 'bfloat16' }).training },
    { run: fresh('half'), images: images() },
  );
  const own = trainer.model.stateDict().get('decoder.conv_out.weight')!;
  t.is(own.dtype, 'bfloat16');
  t.true(own.equal(state.get('decoder.conv_out.weight')!.to('bfloat16')));
  await trainer.close();
});

test.serial('what cannot be loaded ends before a folder is made', async (t) => {
  const ckpt_path = await written('other.ckpt');
  const empty = fresh('unrelated.safetensors');
  await saveSafetensors(empty, { 'fc.weight': torch.ones([2]) });
  const run = fresh('never');
  const cases: [Params, RegExp][] = [
    [{ ckpt_path: 'no/such.ckpt' }, /model\.params\.ckpt_path: there is no file no\/such\.ckpt/],
    [{ ckpt_path: root }, /is a folder/],
    [
      { ckpt_path: empty },
      /unrelated\.safetensors does not match.*check that these are weights of this model/s,
    ],
    [{ ckpt_path, n_embed: 17 }, /quantize\.embedding\.weight: shape \[16, 8\], expected \[17, 8\]/],
    [{ ckpt_path, ignore_keys: 3 }, /ignore_keys must be a list/],
    [{ ckpt_path: 3 }, /ckpt_path must be the path of a checkpoint file/],
  ];
  for (const [more, message] of cases) {
    await t.throwsAsync(VqganTrainer.create(vqgan(more), { run, images: images() }), { message });
    t.false(existsSync(run));
  }
  const { model, ...rest } = transformerConfig('no/such/file.ckpt');
  const first = vqganConfig().model;
  const stage2 = (params: Params, training: Params) => ({
    ...rest,
    model: { ...model, params: { ...model.params, first_stage_config: first, ...params } },
    training: { ...rest.training, ...training },
  });
  const named = { ...first, params: { ...first.params, ckpt_path: 'no/first.ckpt' } };
  const second: [unknown, RegExp][] = [
    [stage2({}, {}), /training\.vqgan: there is no trained VQGAN at no\/such\/file\.ckpt/],
    [
      stage2({ first_stage_config: named }, { vqgan: undefined }),
      /first_stage_config\.params\.ckpt_path: there is no file/,
    ],
    [
      stage2({ ckpt_path: 'no/net.ckpt' }, { vqgan: ckpt_path }),
      /model\.params\.ckpt_path: there is no file no\/net/,
    ],
  ];
  for (const [config, message] of second) {
    await t.throwsAsync(TransformerTrainer.create(config, { run, images: images() }), { message });
    t.false(existsSync(run));
  }
});

/** A second stage on a first one in a file. */
function onFile(vqganFile: string | undefined, params: Params = {}) {
  const { model, ...rest } = transformerConfig('');
  const first = vqganConfig().model;
  return {
    ...rest,
    model: {
      ...model,
      params: {
        ...model.params,
        first_stage_config: first,
        cond_stage_config: '__is_unconditional__',
        ...params,
      },
    },
    training: { ...rest.training, vqgan: vqganFile },
  };
}

const firstOf = (trainer: TransformerTrainer) => trainer.net.firstStageModel as unknown as VQModel;

test.serial('a second stage takes its first one from what convert reads', async (t) => {
  const inLayout = async (name: string, map: typeof llamaGen) => {
    const path = fresh(name);
    await saveSafetensors(path, new Map(withKeys(state, map.fromReference([...state.keys()]))));
    return path;
  };
  const files = [
    await written('lightning.ckpt', (key) => `model.${key}`),
    await written('compiled.safetensors', (key) => `_orig_mod.${key}`),
    await written('whole.safetensors', (key) => `first_stage_model.${key}`),
    await inLayout('diffusers.safetensors', diffusers),
  ];
  for (const [i, file] of files.entries()) {
    const trainer = await TransformerTrainer.create(onFile(file), {
      run: fresh(`second-${i}`),
      images: images(),
    });
    t.true(firstOf(trainer).encoder.convIn.weight.equal(trained.encoder.convIn.weight), file);
    t.true(firstOf(trainer).quantize.embedding.weight.equal(trained.quantize.embedding.weight), file);
    await trainer.close();
  }
  const config = onFile(undefined);
  (config.model.params.first_stage_config as ModelConfig).params!['ckpt_path'] = files[0];
  const trainer = await TransformerTrainer.create(config, { run: fresh('by-ckpt-path'), images: images() });
  t.true(firstOf(trainer).encoder.convIn.weight.equal(trained.encoder.convIn.weight));
  await trainer.close();
});

test.serial('a second stage begins with the weights of ckpt_path, its first stage among them', async (t) => {
  const { model } = onFile(undefined);
  const net = modelFromConfig<Net2NetTransformer>(model);
  const ckpt_path = fresh('net.ckpt');
  await savePytorch(ckpt_path, { state_dict: net.stateDict() });
  const trainer = await TransformerTrainer.create(
    onFile(undefined, { ckpt_path, ignore_keys: ['transformer.head.'] }),
    {
      run: fresh('from-net'),
      images: images(),
    },
  );
  const own = trainer.net.stateDict();
  const same = (key: string) => own.get(key)!.equal(net.stateDict().get(key)!);
  t.true(same('transformer.tok_emb.weight'));
  t.true(same('first_stage_model.encoder.conv_in.weight'));
  t.false(same('transformer.head.weight'));
  await trainer.close();
});

test.serial('modelFromConfig reads no file, and says which it did not', async (t) => {
  const path = await written('named.ckpt');
  const params = onFile(undefined).model.params;
  const first = params.first_stage_config as { target: string; params: Params };
  const named = { ...first, params: { ...first.params, ckpt_path: path, ignore_keys: ['loss.'] } };
  const config = { ...onFile(undefined).model, params: { ...params, first_stage_config: named } };
  const net = modelFromConfig<Net2NetTransformer>(config);
  const weight = (): Tensor => (net.firstStageModel as unknown as VQModel).encoder.convIn.weight;
  t.false(weight().equal(trained.encoder.convIn.weight));
  t.deepEqual(unloadedCheckpoints(net), [{ module: 'first_stage_model', path, ignoreKeys: ['loss.'] }]);
  const [report] = await initFromCkpt(net);
  t.true(report!.loaded.includes('encoder.conv_in.weight'));
  t.true(weight().equal(trained.encoder.convIn.weight));
  t.deepEqual(unloadedCheckpoints(net), []);
  t.deepEqual(unloadedCheckpoints(trained), []);
});
