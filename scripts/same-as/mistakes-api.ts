/** Mistakes in calls of the public entry, with the resulting errors. */
import type { Api, Rows } from './checkout.js';
import { callMistakes } from './mistakes-calls.js';
import { configMistakes } from './mistakes-configs.js';
import { constructorMistakes, type Mistake } from './mistakes-constructors.js';

export const apiMistakes: readonly Mistake[] = [...constructorMistakes, ...configMistakes, ...callMistakes];

/** Returns the class and message of the error, or a note that there was none. */
async function answerTo({ make }: Mistake, api: Api): Promise<string> {
  try {
    await make(api);
    return 'no error';
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${String(error)}`;
    return `${error.constructor.name}: ${error.message}`;
  }
}

/** Makes every mistake, one after the other. */
export async function askMistakes(api: Api): Promise<Rows> {
  const rows: Rows = {};
  for (const mistake of apiMistakes) rows[mistake.name] = await answerTo(mistake, api);
  return rows;
}
