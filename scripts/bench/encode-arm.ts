// Our arm of encode.ts: milliseconds to encode the folder's images, for each line of input; or the ids.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ImageTokenizer, modelFromConfig, saveSafetensors, torch } from 'tessera-torch';

const root = process.argv[2]!;
const ddconfig = {
  double_z: false,
  z_channels: 64,
  resolution: 128,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 1, 2, 2, 4],
  num_res_blocks: 2,
  attn_resolutions: [8],
  dropout: 0,
};
const config = { target: 'taming.models.vqgan.VQModel', params: { ddconfig, n_embed: 1024, embed_dim: 64 } };

torch.manualSeed(0);
const weights = join(root, 'weights.safetensors');
await saveSafetensors(weights, modelFromConfig(config).stateDict());
const tokenizer = await ImageTokenizer.open(weights, { config, device: 'cpu' });
const names = readdirSync(join(root, 'images')).sort();
const files = names.map((name) => join(root, 'images', name));

for await (const line of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const all = await tokenizer.encodeAll(files, { size: 128, square: true, batch: 16 });
  const milliseconds = performance.now() - start;
  const ids = torch.scope(() =>
    torch
      .cat(all.map((one) => one.ids))
      .flatten()
      .tolist(),
  );
  torch.dispose(all.map((one) => one.ids));
  console.log(JSON.stringify(line === 'ids' ? ids : milliseconds));
}
