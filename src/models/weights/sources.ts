/** State dicts derived from others by selecting or renaming keys or by replacing tensors. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { StateSource, TensorInfo } from '../../torch/nn/state-dict.js';

/** Returns the metadata of a tensor; reads the tensor if the source does not provide metadata. */
export function infoOf(source: StateSource, key: string): TensorInfo | undefined {
  if (!source.has(key)) return undefined;
  return source.info?.(key) ?? infoOfRead(() => source.get(key)!);
}

function infoOfRead(read: () => Tensor): TensorInfo {
  return torch.scope(() => {
    const { shape, dtype } = read();
    return { shape, dtype };
  });
}

/** Returns a view of a source under the names of `keys`, which maps names to keys in the source. */
export function chosen(source: StateSource, keys: ReadonlyMap<string, string>): StateSource {
  const inner = (key: string): string => keys.get(key) ?? key;
  return {
    keys: () => keys.keys(),
    has: (key) => keys.has(key),
    get: (key) => (keys.has(key) ? source.get(inner(key)) : undefined),
    ...(source.info && { info: (key: string) => (keys.has(key) ? source.info!(inner(key)) : undefined) }),
    ...(source.readInto && {
      readInto: (key: string, target: Tensor) => source.readInto!(inner(key), target),
    }),
  };
}

/** Returns a source with some of its tensors replaced. */
export function withOrigins(source: StateSource, origins: ReadonlyMap<string, () => Tensor>): StateSource {
  return {
    keys: () => new Set([...source.keys(), ...origins.keys()]),
    has: (key) => origins.has(key) || source.has(key),
    get: (key) => origins.get(key)?.() ?? source.get(key),
    info: (key) => {
      const origin = origins.get(key);
      return origin ? infoOfRead(origin) : infoOf(source, key);
    },
    ...(source.readInto && {
      readInto: (key: string, target: Tensor) => {
        const origin = origins.get(key);
        if (origin === undefined) source.readInto!(key, target);
        else torch.noGrad(() => target.copy_(origin()));
      },
    }),
  };
}
