/** Frozen messages of mistakes, tests/fixtures/mistakes.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Checkout, Rows } from './checkout.js';
import { differences } from './compare.js';
import { askCommandMistakes } from './mistakes-commands.js';

const FILE = fileURLToPath(new URL('../../tests/fixtures/mistakes.json', import.meta.url));

/** Messages by the name of the mistake, in calls of the public entry and on the command line. */
export interface FrozenMistakes {
  calls: Rows;
  commands: Rows;
}

export function frozenMistakes(): FrozenMistakes {
  return JSON.parse(readFileSync(FILE, 'utf8')) as FrozenMistakes;
}

/** Returns the rows that differ from the frozen ones, each with the differing lines below it. */
export function unlikeFrozen(kind: keyof FrozenMistakes, rows: Rows): string[] {
  return differences(frozenMistakes()[kind], rows).map(
    ({ row, lines }) => `${row} differs from tests/fixtures/mistakes.json:\n      ${lines.join('\n      ')}`,
  );
}

/** Rewrites the frozen messages from a checkout; the images must exist. */
export async function freezeMistakes(checkout: Checkout): Promise<string> {
  const frozen = { calls: await checkout.ask('mistakes'), commands: await askCommandMistakes(checkout) };
  writeFileSync(FILE, `${JSON.stringify(frozen, null, 1)}\n`);
  return `${Object.keys(frozen.calls).length} calls and ${Object.keys(frozen.commands).length} commands: ${FILE}`;
}
