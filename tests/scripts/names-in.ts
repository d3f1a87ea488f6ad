/** Returns every function and class that can be reached, by its path from the package's exports, with its name. */
export function namesIn(exported: object): string[] {
  const names: string[] = [];
  const seen = new Set<unknown>();
  const visit = (value: unknown, way: string): void => {
    if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value)) return;
    seen.add(value);
    if (typeof value === 'function') names.push(`${way}: ${value.name}`);
    for (const [key, { get, value: held }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (get) names.push(`${way}.${key}: ${get.name}`);
      else if (!ArrayBuffer.isView(value)) visit(held, `${way}.${key}`);
    }
  };
  for (const [key, value] of Object.entries(exported)) visit(value, key);
  return names;
}
