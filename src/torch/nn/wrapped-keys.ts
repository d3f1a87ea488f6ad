/** Keys that contain the names of wrappers around the model when it was saved: `module.encoder.conv.weight`. */

/** Names that wrappers insert anywhere in a key and that have no other meaning. */
const inside = ['_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module', '_fpw_module'];

/** A prefix and the number of the model's keys below it. */
export interface Place {
  readonly prefix: string;
  readonly found: number;
}

/**
 * Returns a function that removes the names of wrappers from keys: those of torch.compile, FSDP and activation
 * checkpointing, and `module` from data-parallel wrappers, unless the model's own keys contain such a name.
 *
 * @param own the model's keys
 */
export function unwrapping(own: Iterable<string>): (key: string) => string {
  const names = new Set([...own].flatMap((key) => key.split('.')));
  const words = new Set([...inside, 'module'].filter((word) => !names.has(word)));
  return (key) => {
    const parts = key.split('.');
    return parts.some((part) => words.has(part)) ? parts.filter((part) => !words.has(part)).join('.') : key;
  };
}

/** Returns the prefixes below which keys of the model are found, most keys first, ties in the file's order. */
export function placesOf(own: ReadonlySet<string>, given: Iterable<string>): Place[] {
  const counts = new Map<string, number>();
  for (const key of given) {
    for (let at = 0; at >= 0; at = nextPart(key, at)) {
      if (own.has(key.slice(at))) counts.set(key.slice(0, at), (counts.get(key.slice(0, at)) ?? 0) + 1);
    }
  }
  return [...counts].map(([prefix, found]) => ({ prefix, found })).sort((a, b) => b.found - a.found);
}

function nextPart(key: string, at: number): number {
  const dot = key.indexOf('.', at);
  return dot < 0 ? -1 : dot + 1;
}

/**
 * Says where a model's keys are in a file and how to load them from there; null if the file does not contain them.
 *
 * @param missing the model's keys that the file lacks
 * @param unexpected the file's keys that the model lacks
 * @param all true if the file has none of the model's keys
 */
export function whereKeysLie(
  missing: readonly string[],
  unexpected: readonly string[],
  all: boolean,
): string | null {
  const known = new Set(missing);
  const unwrap = unwrapping(missing);
  const wrapped = unexpected.filter((key) => known.has(unwrap(key)));
  if (all) {
    const [best, ...others] = placesOf(known, unexpected);
    if (best !== undefined && best.found >= wrapped.length) {
      const equal = [best, ...others.filter(({ found }) => found === best.found)];
      const shown = equal.slice(0, 4).map(({ prefix }) => JSON.stringify(prefix));
      return (
        `${best.found} of its ${missing.length} keys are below ${shown.join(' or ')}: load them with ` +
        `loadWeights(model, source, { prefix: ${shown[0]} })`
      );
    }
  }
  const word = [...inside, 'module'].find((name) => wrapped.some((key) => key.split('.').includes(name)));
  if (word === undefined) return null;
  return `${wrapped.length} keys contain the name of a wrapper, "${word}": loadWeights(model, source) removes it`;
}
