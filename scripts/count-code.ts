/**
 * `npx tsx scripts/count-code.ts [CHECKOUT …]`: lines of code by folder of src/ and native/, without comments, blank
 * lines and generated files; files over 300 lines; casts through `unknown`. Several checkouts are shown side by side.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Counts {
  folders: Map<string, number>;
  long: string[];
  casts: number;
}

function countCheckout(root: string): Counts {
  const counts: Counts = { folders: new Map(), long: [], casts: 0 };
  for (const top of ['src', 'native']) {
    if (!existsSync(join(root, top))) continue;
    for (const name of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|cc|h|cu)$/.test(name) || name.includes('.generated.')) continue;
      const text = readFileSync(join(root, top, name), 'utf8');
      const [first = ''] = name.includes('/') ? name.split('/') : [''];
      const folder = first === '' ? top : `${top}/${first}`;
      counts.folders.set(folder, (counts.folders.get(folder) ?? 0) + linesOfCode(text));
      const lines = text.split('\n').length - 1;
      if (lines > 300) counts.long.push(`${top}/${name} ${lines}`);
      if (top === 'src') counts.casts += text.split('as unknown as').length - 1;
    }
  }
  return counts;
}

/** Counts the lines of code. The formatter puts comments on separate lines. */
function linesOfCode(text: string): number {
  let inside = false;
  let count = 0;
  for (const line of text.split('\n').map((part) => part.trim())) {
    if (inside) {
      inside = !line.endsWith('*/');
    } else if (line.startsWith('/*')) {
      inside = !line.includes('*/');
    } else if (line !== '' && !line.startsWith('//')) {
      count++;
    }
  }
  return count;
}

const checkouts = process.argv.length > 2 ? process.argv.slice(2) : ['.'];
const counted = checkouts.map(countCheckout);
const folders = [...new Set(counted.flatMap(({ folders: found }) => [...found.keys()]))].sort();
const row = (name: string, values: readonly (number | string)[]) =>
  console.log(name.padEnd(20) + values.map((value) => String(value).padStart(12)).join(''));
row('lines of code', checkouts);
for (const folder of folders)
  row(
    folder,
    counted.map(({ folders: found }) => found.get(folder) ?? 0),
  );
for (const top of ['src', 'native']) {
  row(
    `${top} in all`,
    counted.map(({ folders: found }) =>
      [...found].filter(([folder]) => folder.split('/')[0] === top).reduce((sum, [, n]) => sum + n, 0),
    ),
  );
}
row(
  'as unknown as',
  counted.map(({ casts }) => casts),
);
for (const [i, { long }] of counted.entries())
  console.log(`over 300 lines in ${checkouts[i]}: ${long.length === 0 ? 'none' : long.sort().join(', ')}`);
