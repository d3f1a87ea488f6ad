/**
 * `npm run same-as -- OTHER`: checks that this checkout behaves like another one, for refactorings.
 *
 *     npm run same-as -- ../other              every section; both must be built; about three minutes on two cores
 *     npm run same-as -- ../other --only runs  one section, or more (--only may be repeated)
 *     npm run same-as -- --list                list the sections
 *     npm run same-as -- --freeze              write the messages of this checkout into tests/fixtures/mistakes.json
 *
 * Rows that are meant to differ from the commit before the refactoring are listed in same-as/accepted.json, and settings
 * added since in same-as/added-settings.json.
 *
 * Exit codes: 0 all equal or accepted, 1 something is not, 2 usage.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Accepted } from './same-as/accepted.js';
import { Checkout, type Rows } from './same-as/checkout.js';
import { differences, withoutNew } from './same-as/compare.js';
import { freezeMistakes } from './same-as/frozen-mistakes.js';
import { makeImages } from './same-as/images.js';
import { sections, type Section } from './same-as/sections.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = 'usage: npm run same-as -- OTHER_CHECKOUT [--only SECTION]… | --list | --freeze';

/** Returns a section's rows; a row with the error if the checkout could not be queried. */
async function asked(section: Section, checkout: Checkout): Promise<Rows> {
  return section
    .ask(checkout)
    .catch((error: Error) => ({ [section.name]: checkout.masked(`could not be asked: ${error.message}`) }));
}

/** Numbers of rows. */
interface Count {
  wrong: number;
  accepted: number;
}

/** Compares one section, prints the differing rows that are not accepted, and returns the numbers of both kinds. */
async function compare(
  section: Section,
  [other, own]: readonly [Checkout, Checkout],
  list: Accepted,
): Promise<Count> {
  const start = performance.now();
  // Each checkout runs in separate single-threaded processes, to use two cores.
  const [theirs, ours] = await Promise.all([asked(section, other), asked(section, own)]);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const shared = section.grows ? withoutNew(theirs, ours) : ours;
  const added = Object.keys(ours).length - Object.keys(shared).length;
  const [before, now] = section.prepare ? section.prepare(theirs, shared) : [theirs, shared];
  const { accepted, unequal, stale } = list.sort(section.name, differences(before, now));
  const failed = ours[section.name]?.startsWith('could not be asked') ? ['it could not be asked'] : [];
  const wrong = [
    ...failed,
    ...(section.check?.(ours) ?? []),
    ...stale.map((row) => `${row} is listed in accepted.json, but does not differ`),
  ];
  const total = Object.keys({ ...before, ...now }).length;
  const result = unequal.length === 0 ? 'equal' : `${unequal.length} DIFFER`;
  const more = [
    ...(accepted.length > 0 ? [`${accepted.length} accepted`] : []),
    ...(added > 0 ? [`${added} added here`] : []),
  ];
  console.log(
    [
      `${section.name.padEnd(12)} ${String(total).padStart(4)} compared  ${result.padEnd(11)} ${seconds.padStart(4)} s`,
      ...more,
    ].join(', '),
  );
  for (const { row, lines } of unequal) console.log(`  ${row}\n${lines.map((l) => `      ${l}`).join('\n')}`);
  for (const line of wrong) console.log(`  WRONG by itself: ${line}`);
  return { wrong: unequal.length + wrong.length, accepted: accepted.length };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean', default: false },
      freeze: { type: 'boolean', default: false },
    },
  });
  if (values.list) {
    for (const { name, what } of sections) console.log(`${name.padEnd(12)} ${what}`);
    return 0;
  }
  const unknown = values.only.filter((name) => !sections.some((section) => section.name === name));
  if (unknown.length > 0 || positionals.length !== (values.freeze ? 0 : 1)) {
    for (const name of unknown) console.error(`there is no section ${name}; --list prints all sections`);
    console.error(USAGE);
    return 2;
  }
  const temp = mkdtempSync(join(tmpdir(), 'tessera-same-as-'));
  try {
    const own = new Checkout('this', ROOT, join(temp, 'this'));
    const data = join(temp, 'data');
    mkdirSync(data);
    if (values.freeze) {
      await makeImages(data, own);
      console.log(await freezeMistakes(own));
      return 0;
    }
    const other = new Checkout('other', resolve(positionals[0]!), join(temp, 'other'));
    await makeImages(data, other);
    const chosen = sections.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
    const list = Accepted.of(other);
    let [wrong, accepted] = [0, 0];
    for (const section of chosen) {
      const count = await compare(section, [other, own], list);
      wrong += count.wrong;
      accepted += count.accepted;
    }
    const but =
      accepted > 0 ? `, but for ${accepted} accepted differences (scripts/same-as/accepted.json)` : '';
    console.log(
      wrong === 0 ? `the same as ${other.root}${but}` : `NOT the same as ${other.root}: ${wrong} rows${but}`,
    );
    return wrong === 0 ? 0 : 1;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

process.exitCode = await main();
