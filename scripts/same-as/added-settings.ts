/** Settings that were added since: configurations are compared without them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import type { Rows } from './checkout.js';
import { sortedSettings } from './run-rows.js';

/** Values by `section.key`: the value with which a run is as it was without the setting. Maintained by hand. */
export type AddedSettings = Record<string, unknown>;

const FILE = fileURLToPath(new URL('added-settings.json', import.meta.url));

const addedSettings = (): AddedSettings => JSON.parse(readFileSync(FILE, 'utf8')) as AddedSettings;

/**
 * Returns the rows of both checkouts with those configurations of `own` that have added settings, and the same ones of
 * `other`, printed again without them. A setting is kept if `other` knows it, or if its value is not the listed one.
 *
 * @param isConfig whether a row is a configuration in YAML; default all
 */
export function withoutAdded(
  other: Rows,
  own: Rows,
  isConfig: (row: string) => boolean = () => true,
  added: AddedSettings = addedSettings(),
): [other: Rows, own: Rows] {
  const before = { ...other };
  const now = { ...own };
  for (const [name, text] of Object.entries(own)) {
    if (!isConfig(name) || !(name in other)) continue;
    const [document, known] = [parseDocument(text), parseDocument(other[name]!)];
    if (document.errors.length > 0 || known.errors.length > 0) continue;
    const more = Object.entries(added)
      .map(([path, value]) => ({ path: path.split('.'), value }))
      .filter(({ path, value }) => document.getIn(path) === value && !known.hasIn(path));
    if (more.length === 0) continue;
    for (const { path } of more) document.deleteIn(path);
    // Both are printed again, as the order of the other keys still counts.
    now[name] = document.toString();
    before[name] = known.toString();
  }
  return [before, now];
}

/**
 * Does the same for the rows that are the `config.yaml` of a run, each of which becomes two: the values, and the text, in
 * which the order of the settings counts.
 */
export function withoutAddedInRuns(other: Rows, own: Rows): [other: Rows, own: Rows] {
  const isConfig = (row: string) => row.endsWith(': config.yaml');
  const withValues = (rows: Rows): Rows => {
    const configs = Object.entries(rows).filter(([row]) => isConfig(row));
    const values = configs.map(([row, text]) => [`${row}: values`, sortedSettings(text)] as const);
    return { ...rows, ...Object.fromEntries(values) };
  };
  const [before, now] = withoutAdded(other, own, isConfig);
  return [withValues(before), withValues(now)];
}
