/** Small versions of the reader's own files that the README names: images, checkpoints, configurations. */
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { stringify } from 'yaml';
import {
  llamaGen,
  modelFromConfig,
  saveNpy,
  savePytorch,
  saveSafetensors,
  torch,
  VQLPIPSWithDiscriminator,
  withKeys,
} from '../../src/index.js';
import { root } from './stage.js';

const ddconfig = {
  double_z: false,
  z_channels: 32,
  resolution: 32,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 1],
  num_res_blocks: 1,
  attn_resolutions: [],
  dropout: 0,
};
const firstStage = {
  target: 'taming.models.vqgan.VQModel',
  params: {
    embed_dim: 8,
    n_embed: 24,
    ddconfig,
    lossconfig: { target: 'taming.modules.losses.DummyLoss' },
  },
};
/** The first stage with a loss, so that it can be trained further. */
const trainable = {
  ...firstStage,
  params: {
    ...firstStage.params,
    lossconfig: {
      target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
      params: { disc_start: 0, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0 },
    },
  },
};
const transformer = {
  target: 'taming.models.cond_transformer.Net2NetTransformer',
  params: {
    transformer_config: {
      target: 'taming.modules.transformer.mingpt.GPT',
      params: { vocab_size: 1000, block_size: 256, n_layer: 1, n_head: 2, n_embd: 16 },
    },
    first_stage_config: firstStage,
    cond_stage_config: { target: 'taming.modules.util.Labelator', params: { n_classes: 1000 } },
    cond_stage_key: 'class_label',
  },
};

/** Writes all of these files into a folder, which {@link lay} copies into a project. */
export async function makeMaterials(folder: string): Promise<void> {
  await makePhotos(join(folder, 'photos'));
  await makeCheckpoints(folder);
  await makeLabels(join(folder, 'labels.png'));
  await makeConditions(folder);
  writeFileSync(join(folder, 'layout.json'), '[[0, 0.1, 0.2, 0.3, 0.7], [3, 0.5, 0.6, 0.3, 0.3]]');
  for (const name of ['2021-04-03T19-39-50_cin_transformer', 'cin_transformer']) {
    writeFileSync(join(folder, `${name}.yaml`), stringify({ model: transformer }));
  }
  writeFileSync(join(folder, 'vqgan_imagenet_f16.yaml'), stringify({ model: trainable }));
  copyFileSync(join(root, 'tests/fixtures/checkpoints/lightning.ckpt'), join(folder, 'last.ckpt'));
}

/** Copies the reader's files into a project's folder. */
export function lay(materials: string, project: string): void {
  cpSync(materials, project, { recursive: true });
}

/** Writes sixty images into two sub-folders, which are their classes. */
async function makePhotos(folder: string): Promise<void> {
  for (const [label, red] of [
    ['robin', 200],
    ['wren', 60],
  ] as const) {
    mkdirSync(join(folder, label), { recursive: true });
    for (let i = 0; i < 30; i++) {
      const background = { r: red, g: 8 * i, b: 200 - 6 * i };
      const image = sharp({ create: { width: 70 + i, height: 64, channels: 3, background } });
      await image.png().toFile(join(folder, label, `${i}.png`));
    }
  }
}

/** Writes a label map: the sky of the built-in scenes above their ground. */
async function makeLabels(path: string): Promise<void> {
  const side = 64;
  const labels = Uint8Array.from({ length: side * side }, (_, i) => (i < (side * side) / 2 ? 0 : 3));
  await sharp(labels, { raw: { width: side, height: side, channels: 1 } })
    .png()
    .toFile(path);
}

/** Writes a photograph, a small image, vectors of the two classes, and those of prompts. */
async function makeConditions(folder: string): Promise<void> {
  const photo = sharp(join(folder, 'photos', 'robin', '3.png'));
  await photo.clone().jpeg().toFile(join(folder, 'photo.jpg'));
  await photo.clone().resize(16, 16).png().toFile(join(folder, 'small.png'));
  await saveSafetensors(join(folder, 'captions.safetensors'), {
    robin: torch.rand([8]),
    wren: torch.rand([8]),
  });
  await saveNpy(join(folder, 'prompts.npy'), torch.rand([2, 8]));
}

async function makeCheckpoints(folder: string): Promise<void> {
  const state = (config: object) => modelFromConfig(config as typeof firstStage).stateDict();
  await savePytorch(join(folder, 'cin_transformer.ckpt'), { global_step: 7, state_dict: state(transformer) });
  await savePytorch(join(folder, 'vqgan_imagenet_f16.ckpt'), { state_dict: state(trainable) });
  const own = state(firstStage);
  const foreign = withKeys(own, llamaGen.fromReference([...own.keys()]));
  await savePytorch(join(folder, 'vq_ds16_c2i.pt'), { model: new Map(foreign) });
  const loss = new VQLPIPSWithDiscriminator({ discStart: 0 });
  const lpips = [...loss.stateDict()].map(([key, tensor]) => [`loss.${key}`, tensor] as const);
  await savePytorch(join(folder, 'vqgan_training.ckpt'), { state_dict: new Map(lpips) });
}
