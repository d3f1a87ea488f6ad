/**
 * LlamaGen's tokenizers (github.com/FoundationVision/LlamaGen, tokenizer_image/vq_model.py; weights under `model` or
 * `ema`): the same backbone with the decoder's levels counted from the coarsest, attention at the coarsest level, and a
 * codebook whose rows and queries are normalised to unit length. Among unit-length rows the nearest one does not depend
 * on the query's length, so after normalising its rows once the codebook works unchanged in the reference's quantizer.
 */
import { levelsBehind, tableOf, type KeyMap } from './key-map.js';

const middle = ['block_1', 'attn_1', 'block_2'];
const CODEBOOK = 'quantize.embedding.weight';
const USED = 'quantize.codebook_used';
/** Length of the queue of used codes in LlamaGen's state dict. */
const QUEUE = 65_536;

/** Key map of LlamaGen's VQ models. */
export const llamaGen: KeyMap = {
  name: 'llamagen',

  recognises: (keys) => keys.has('encoder.mid.0.norm1.weight') && keys.has('encoder.mid.1.q.weight'),

  toReference(keys) {
    const levels = levelsBehind(keys, 'decoder.conv_blocks.');
    return tableOf(keys, (key) => {
      if (key === USED) return null;
      if (key === CODEBOOK) return { name: key, change: 'unit-rows' };
      return key
        .replace(
          /^((?:en|de)coder\.mid\.)(\d)\./,
          (_, start: string, i: string) => `${start}${middle[Number(i)]}.`,
        )
        .replace(/^encoder\.conv_blocks\.(\d+)\./, 'encoder.down.$1.')
        .replace(/^decoder\.conv_blocks\.(\d+)\./, (_, i: string) => `decoder.up.${levels - 1 - Number(i)}.`)
        .replace(/^((?:encoder\.down|decoder\.up)\.\d+)\.res\./, '$1.block.');
    });
  },

  fromReference(keys) {
    const levels = levelsBehind(keys, 'decoder.up.');
    const table = tableOf(keys, (key) => {
      if (key.startsWith('loss.')) return null;
      return key
        .replace(/^((?:en|de)coder\.mid\.)(block_1|attn_1|block_2)\./, (_, start: string, part: string) => {
          return `${start}${middle.indexOf(part)}.`;
        })
        .replace(/^((?:encoder\.down|decoder\.up)\.\d+)\.block\./, '$1.res.')
        .replace(/^encoder\.down\.(\d+)\./, 'encoder.conv_blocks.$1.')
        .replace(/^decoder\.up\.(\d+)\./, (_, i: string) => `decoder.conv_blocks.${levels - 1 - Number(i)}.`);
    });
    if (table.has(CODEBOOK)) table.set(USED, { zeros: [QUEUE] });
    return table;
  },
};
