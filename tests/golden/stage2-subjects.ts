/** Everything in stage 2 that has weights, with its checks. */
import { below, goldenTensors } from './data.js';
import { checkGpt } from './gpt.js';
import { keyBias } from './reasons.js';
import type { Subject } from './subject.js';

export async function stage2Subjects(): Promise<Subject[]> {
  const weights = await goldenTensors('gpt-weights');
  const io = await goldenTensors('gpt-io');
  const blocks = [...below(weights, 'blocks.').keys()].filter((key) => key.endsWith('.attn.key.bias'));
  return [
    {
      name: 'GPT',
      weights,
      leftAlone: /\.mask$/,
      checks: [(changed) => checkGpt(changed, io)],
      exceptions: new Map(blocks.map((key) => [`blocks.${key}`, keyBias])),
    },
  ];
}
