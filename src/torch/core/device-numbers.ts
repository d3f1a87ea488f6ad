// c10/core/DeviceType.h
const types: Readonly<Record<number, string>> = {
  0: 'cpu',
  1: 'cuda',
  6: 'hip',
  9: 'xla',
  12: 'xpu',
  13: 'mps',
  14: 'meta',
};

/** A device as libtorch numbers it; the index is -1 for the current one of its type. */
export interface DeviceNumbers {
  readonly type: number;
  readonly index: number;
}

/** Name of a device by libtorch's numbers: the CPU has no index. */
export function deviceName(type: number, index: number): string {
  const name = types[type] ?? `device${type}`;
  // Of the others none can be asked for here, but a tensor of one still has to be printed.
  return index < 0 || name === 'cpu' || name === 'meta' ? name : `${name}:${index}`;
}

// A text is read once: a call that names its device is as quick as one that does not.
const known = new Map<string, DeviceNumbers | null>();

/** Numbers of `cpu`, `meta`, `cuda` or `cuda:N`; null for other texts, which libtorch itself reads or refuses. */
export function deviceNumbers(text: string): DeviceNumbers | null {
  let numbers = known.get(text);
  if (numbers === undefined) {
    numbers = read(text);
    if (known.size < 1000) known.set(text, numbers);
  }
  return numbers;
}

function read(text: string): DeviceNumbers | null {
  const [, name, index = '-1'] = /^(cpu|meta|cuda)(?::(\d|[1-9]\d))?$/.exec(text) ?? [];
  if (name === undefined) return null;
  return { type: { cpu: 0, cuda: 1, meta: 14 }[name]!, index: Number(index) };
}
