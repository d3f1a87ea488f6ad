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

/** A device by libtorch's numbers; the index is -1 for the current device of its type. */
export interface DeviceNumbers {
  readonly type: number;
  readonly index: number;
}

/** Returns the name of a device from libtorch's numbers; the CPU has no index. */
export function deviceName(type: number, index: number): string {
  const name = types[type] ?? `device${type}`;
  // Other device types cannot be requested here, but a tensor on one must still be printable.
  return index < 0 || name === 'cpu' || name === 'meta' ? name : `${name}:${index}`;
}

// Each text is parsed once, so that a call that names its device is as fast as one that does not.
const known = new Map<string, DeviceNumbers | null>();

/** Returns the numbers of `cpu`, `meta`, `cuda` or `cuda:N`; null for other texts, which libtorch parses or rejects. */
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
