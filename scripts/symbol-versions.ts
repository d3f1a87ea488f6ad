const FAMILIES = ['GLIBC', 'GLIBCXX', 'CXXABI'];

/** Returns the newest version of each symbol family in the output of `objdump -T`, such as `GLIBC` → `2.34`. */
export function newestVersions(symbols: string): Map<string, string> {
  const newest = new Map<string, string>();
  for (const [, family = '', version = ''] of symbols.matchAll(/\b([A-Z]+)_(\d+(?:\.\d+)*)\b/g)) {
    if (!FAMILIES.includes(family)) continue;
    const known = newest.get(family);
    if (known === undefined || compareVersions(version, known) > 0) newest.set(family, version);
  }
  return newest;
}

/** Returns a number below, at or above zero if `a` is older, the same, or newer; parts compare as numbers. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
