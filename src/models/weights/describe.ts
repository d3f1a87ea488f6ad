/** One-line summary of the model a state dict belongs to. */
import { strideOf } from '../autoencoder/stride.js';
import { priors } from '../priors/index.js';
import { quantizers } from '../quantizers/index.js';
import { recogniseKeys } from './key-maps/index.js';

/** Tensor shapes by key. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Returns one line per recognised model, or an empty list if none is recognised. */
export function describeWeights(shapes: Shapes): string[] {
  const foreign = recogniseKeys(shapes.keys());
  if (foreign !== undefined) {
    const table = foreign.toReference([...shapes.keys()]);
    const mapped = new Map(
      [...table].map(([key, origin]) => [
        key,
        'zeros' in origin ? origin.zeros : (shapes.get(origin.key) ?? []),
      ]),
    );
    const [first = 'a model'] = describeReference(mapped);
    return [`${first}, in the layout of ${foreign.name}`];
  }
  return describeReference(shapes);
}

function describeReference(shapes: Shapes): string[] {
  const below = (prefix: string): Shapes =>
    new Map(
      [...shapes]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, shape]) => [key.slice(prefix.length), shape]),
    );
  const prior = describePrior(below('transformer.'));
  if (prior !== null) {
    const parts = [
      ['transformer', prior],
      ['first stage', describeFirstStage(below('first_stage_model.'))],
      ['condition', describeFirstStage(below('cond_stage_model.'))],
    ] as const;
    const known = parts.filter(([, text]) => text !== null).map(([name, text]) => `${name}: ${text}`);
    return [`Net2NetTransformer; ${known.join('; ')}`];
  }
  const transformer = describePrior(shapes);
  if (transformer !== null) return [transformer];
  const first = describeFirstStage(shapes);
  if (first !== null) return [first];
  if (shapes.has('net.slice1.0.weight')) return ['LPIPS with its VGG16'];
  if (shapes.has('lin0.model.1.weight')) return ['linear layers of LPIPS, without its VGG16'];
  if (shapes.has('features.0.weight') && shapes.has('classifier.6.weight')) return ['VGG16 of torchvision'];
  return [];
}

function countOf(shapes: Shapes, pattern: RegExp): number {
  return new Set(
    [...shapes.keys()].map((key) => pattern.exec(key)?.[1]).filter((index) => index !== undefined),
  ).size;
}

/** Returns a line on the prior that weights belong to, or null. */
function describePrior(shapes: Shapes): string | null {
  for (const { describe } of Object.values(priors)) {
    const text = describe?.(shapes) ?? null;
    if (text !== null) return text;
  }
  return null;
}

function describeFirstStage(shapes: Shapes): string | null {
  if (!shapes.has('quant_conv.weight') || !shapes.has('encoder.conv_in.weight')) return null;
  // Without residual blocks the last level has no keys; without convolutions to halve the side, no level has those.
  const halvings = countOf(shapes, /^encoder\.down\.(\d+)\.downsample\./);
  const levels = Math.max(halvings + 1, countOf(shapes, /^encoder\.down\.(\d+)\./));
  const known = Object.values(quantizers).find(({ marks }) =>
    marks?.some((key) => shapes.has(`quantize.${key}`)),
  );
  const codebook = known?.codes && shapes.get(`quantize.${known.codes}`);
  const loss = [
    ...([...shapes.keys()].some((key) => key.startsWith('loss.discriminator.')) ? ['its discriminator'] : []),
    ...(shapes.has('loss.perceptual_loss.lin0.model.1.weight') ? ['LPIPS'] : []),
  ];
  const codes = codebook ? `${codebook.at(-2)} codes of width ${codebook.at(-1)}` : 'no stored codes';
  const aside = loss.length > 0 ? `, with ${loss.join(' and ')}` : '';
  return `${known?.stage ?? 'first stage'} f${strideOf(levels)}, ${codes}, base width ${shapes.get('encoder.conv_in.weight')![0]}${aside}`;
}
