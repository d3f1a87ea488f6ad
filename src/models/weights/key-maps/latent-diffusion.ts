/**
 * First stages of latent diffusion (github.com/CompVis/latent-diffusion, `vq-f4` to `vq-f16`). They use the reference's
 * names, and also hold the loss and, if a moving average was kept, `model_ema.*`, whose names omit the dots. In
 * checkpoints of whole diffusion models they are under `first_stage_model.`.
 */
import { tableOf, type KeyMap, type Origin } from './key-map.js';

const AVERAGE = 'model_ema.';
const INNER = 'first_stage_model.';

/** True for a whole diffusion model; otherwise `first_stage_model.` belongs to a second stage of the reference. */
const isWhole = (keys: Iterable<string>): boolean =>
  [...keys].some((key) => key.startsWith('model.diffusion_model.'));

const isAside = (key: string): boolean => key.startsWith('loss.') || key.startsWith(AVERAGE);

/** Returns a map from the reference's keys to keys in the file. */
function weights(keys: readonly string[]): Map<string, string> {
  const prefix = isWhole(keys) ? INNER : '';
  return new Map(
    keys
      .filter((key) => key.startsWith(prefix) && !isAside(key.slice(prefix.length)))
      .map((key) => [key.slice(prefix.length), key]),
  );
}

/** Key map of the trained weights. */
export const latentDiffusion: KeyMap = {
  name: 'latent-diffusion',
  recognises: (keys) =>
    keys.has(`${AVERAGE}decay`) ||
    (keys.has(`${INNER}quant_conv.weight`) && keys.has(`${INNER}quantize.embedding.weight`) && isWhole(keys)),
  toReference: (keys) => new Map([...weights(keys)].map(([name, key]): [string, Origin] => [name, { key }])),
  fromReference: (keys) => tableOf(keys, (key) => key),
};

/** Key map of the moving average, if there is one, for the parameters it covers. */
export const latentDiffusionAverage: KeyMap = {
  name: 'latent-diffusion-ema',
  recognises: () => false,
  toReference(keys) {
    const known = new Set(keys);
    const averaged = (name: string, key: string): string => {
      const average = `${AVERAGE}${name.replaceAll('.', '')}`;
      return known.has(average) ? average : key;
    };
    return new Map(
      [...weights(keys)].map(([name, key]): [string, Origin] => [name, { key: averaged(name, key) }]),
    );
  },
  fromReference(keys) {
    const own = keys.filter((key) => !isAside(key));
    const average = own.map((key): [string, Origin] => [`${AVERAGE}${key.replaceAll('.', '')}`, { key }]);
    return new Map([...tableOf(own, (key) => key), ...average]);
  },
};
