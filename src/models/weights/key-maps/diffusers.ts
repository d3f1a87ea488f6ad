/**
 * The `VQModel` of Hugging Face's diffusers: the same network, with the decoder's levels counted from the coarsest and
 * attention as linear layers. Reading supports both naming schemes of the attention (`query` before 0.17, `to_q` since);
 * writing uses the newer one.
 */
import { levelsBehind, tableOf, type KeyMap } from './key-map.js';

/** Names inside an attention block: diffusers' → the reference's. */
const attention: readonly (readonly [string, string])[] = [
  ['group_norm', 'norm'],
  ['to_q', 'q'],
  ['to_k', 'k'],
  ['to_v', 'v'],
  ['to_out.0', 'proj_out'],
  ['query', 'q'],
  ['key', 'k'],
  ['value', 'v'],
  ['proj_attn', 'proj_out'],
];

/** Names inside a residual block. */
const residual: readonly (readonly [string, string])[] = [['conv_shortcut', 'nin_shortcut']];

const middle: readonly (readonly [string, string])[] = [
  ['resnets.0', 'block_1'],
  ['resnets.1', 'block_2'],
  ['attentions.0', 'attn_1'],
];

const parts: readonly (readonly [string, string])[] = [
  ['resnets', 'block'],
  ['attentions', 'attn'],
  ['downsamplers.0', 'downsample'],
  ['upsamplers.0', 'upsample'],
];

/** Replaces a name from the first column at the start of `text` by the second's, or the reverse with `back`. */
function rename(text: string, names: readonly (readonly [string, string])[], back = false): string {
  for (const [theirs, ours] of names) {
    const [from, to] = back ? [ours, theirs] : [theirs, ours];
    if (text.startsWith(`${from}.`)) return `${to}${text.slice(from.length)}`;
  }
  return text;
}

/** True for attention weights, except the norm's: they are matrices in diffusers and convolution kernels here. */
const isProjection = (key: string): boolean => /\.attn(_1|\.\d+)\.(q|k|v|proj_out)\.weight$/.test(key);

function toOurs(key: string, levels: number): string {
  const [, coder, rest] = /^(encoder|decoder)\.(.*)$/.exec(key) ?? [];
  if (coder === undefined || rest === undefined) return key;
  if (rest.startsWith('conv_norm_out.')) return `${coder}.${rest.slice('conv_'.length)}`;
  if (rest.startsWith('mid_block.')) {
    return `${coder}.mid.${inside(rename(rest.slice('mid_block.'.length), middle))}`;
  }
  const [, level, part] = /^(?:down|up)_blocks\.(\d+)\.(.*)$/.exec(rest) ?? [];
  if (level === undefined || part === undefined) return key;
  const place = coder === 'encoder' ? `down.${level}` : `up.${levels - 1 - Number(level)}`;
  return `${coder}.${place}.${inside(rename(part, parts))}`;
}

/** Converts a name inside a block, or the reverse: `block.0.conv_shortcut.weight` → `block.0.nin_shortcut.weight`. */
function inside(text: string, back = false): string {
  const [, block, name] = /^((?:block|attn)(?:_\d|\.\d+))\.(.*)$/.exec(text) ?? [];
  if (block === undefined || name === undefined) return text;
  return `${block}.${rename(name, block.startsWith('attn') ? attention : residual, back)}`;
}

function toTheirs(key: string, levels: number): string {
  const [, coder, rest] = /^(encoder|decoder)\.(.*)$/.exec(key) ?? [];
  if (coder === undefined || rest === undefined) return key;
  if (rest.startsWith('norm_out.')) return `${coder}.conv_${rest}`;
  if (rest.startsWith('mid.'))
    return `${coder}.mid_block.${rename(inside(rest.slice('mid.'.length), true), middle, true)}`;
  const [, level, part] = /^(?:down|up)\.(\d+)\.(.*)$/.exec(rest) ?? [];
  if (level === undefined || part === undefined) return key;
  const place = coder === 'encoder' ? `down_blocks.${level}` : `up_blocks.${levels - 1 - Number(level)}`;
  return `${coder}.${place}.${rename(inside(part, true), parts, true)}`;
}

/** Key map of diffusers' `VQModel`. */
export const diffusers: KeyMap = {
  name: 'diffusers',

  recognises: (keys) =>
    keys.has('encoder.mid_block.resnets.0.norm1.weight') && keys.has('quantize.embedding.weight'),

  toReference(keys) {
    const levels = levelsBehind(keys, 'decoder.up_blocks.');
    return tableOf(keys, (key) => {
      const name = toOurs(key, levels);
      return isProjection(name) ? { name, change: 'to-convolution' } : name;
    });
  },

  fromReference(keys) {
    const levels = levelsBehind(keys, 'decoder.up.');
    return tableOf(keys, (key) => {
      if (key.startsWith('loss.')) return null;
      const name = toTheirs(key, levels);
      return isProjection(key) ? { name, change: 'to-linear' } : name;
    });
  },
};
