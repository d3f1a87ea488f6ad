/** Times of the parts of a sampled token's step, each recorded and replayed alone, in the step's shapes. */
import { F, pickToken, torch } from 'tessera-torch';
import type { Affine, GPT, Norm, Tensor } from 'tessera-torch';
import { timing } from './arm.js';

/** Seconds of each part, a token. Attention looks at `window` positions. */
export function decodeParts(
  device: torch.Device,
  gpt: GPT,
  { batch, window, topK }: { batch: number; window: number; topK: number | null },
): Record<string, number> {
  return torch.noGrad(() =>
    torch.scope(() =>
      Object.fromEntries(
        Object.entries(worksOf(gpt, batch, window, topK)).map(([name, work]) => {
          using recorded = torch.cuda.graph(() => torch.scope(work), { device, warmUp: 1 });
          return [name, timing(device, () => recorded.run(), 20, 3).seconds];
        }),
      ),
    ),
  );
}

function worksOf(gpt: GPT, batch: number, window: number, topK: number | null): Record<string, () => void> {
  const { vocabSize, head, lnF, config } = gpt;
  const { nEmbd, nHead } = config;
  const { dtype, device } = gpt.posEmb;
  const of = (...shape: number[]): Tensor => torch.randn(shape, { dtype, device });
  const [x, wide, logits] = [of(batch, nEmbd), of(batch, 4 * nEmbd), of(batch, vocabSize)];
  const size = nEmbd / nHead;
  const [query, added] = [of(batch, nHead, 1, size), of(2, batch, nHead, 1, size)];
  const attnMask = torch.zeros([1, 1, 1, window], { dtype, device });
  const position = torch.zeros([1], { dtype: 'int64', device });
  const qkv = gpt.qkv();
  const layers = gpt.decodeModel().blocks.map((block, layer) => {
    return { ...qkv[layer]!, block, memory: of(2, batch, nHead, window, size) };
  });
  const norm = ({ weight, bias, eps }: Norm) => F.layerNorm(x, [nEmbd], { weight, bias, eps });
  const linear = (input: Tensor, layer: Affine) => F.linear(input, layer.weight, layer.bias);
  return {
    'products of the blocks': () => {
      for (const { weight, bias, block } of layers) {
        torch.scope(() => {
          F.linear(x, weight, bias);
          linear(x, block.proj);
          linear(x, block.widen);
          linear(wide, block.narrow);
        });
      }
    },
    attention: () => {
      for (const { memory } of layers) {
        torch.scope(() => {
          memory.indexCopy_(3, position, added);
          F.scaledDotProductAttention(query, memory.select(0, 0), memory.select(0, 1), { attnMask });
        });
      }
    },
    'norms, GELU and sums': () => {
      for (const { block } of layers) {
        torch.scope(() => {
          norm(block.ln1).add(x);
          norm(block.ln2).add(x);
          F.gelu(wide);
        });
      }
    },
    'head and its norm': () => linear(norm(lnF), head),
    drawing: () => pickToken(logits, { topK }),
  };
}
