import { isTree } from '../../config/schema.js';
import { readModel, type ModelConfig, type ReadSections } from '../../models/registry/from-config.js';
import type * as nn from '../../torch/nn/index.js';

type Section = Pick<ModelConfig, 'params'>;

/** A run replaces sections of its configuration, or changes them by {@link adoptNumbers}, so that each is read once only. */
const sections: ReadSections = new WeakMap();

/**
 * Builds the model of a run's `model` section, or of a section below it, as `modelFromConfig` does. What the check of a
 * stage has read is not read again when the run's model is built, or those that precisions are timed with.
 *
 * @param init if false, parameters stay uninitialised
 * @param path path of the section below `model`, for errors
 */
export const modelOfSection = <M extends nn.Module>(
  section: ModelConfig,
  init: boolean,
  path = '',
): M & { config: ModelConfig } => readModel<M>(section, sections, path)({ init });

/**
 * Changes the numbers of a section, and of those below it, to those of `other`, a copy in which a program has set some.
 * It is not read again.
 */
export function adoptNumbers(section: Section, other: Section): void {
  const params = (section.params ??= {});
  for (const [name, value] of Object.entries(other.params ?? {})) {
    if (value === params[name]) continue;
    if (typeof value === 'number') {
      params[name] = value;
      sections.get(section)?.set(name, value);
      continue;
    }
    const [own, given] = [params[name], value].map((one) => [one].flat());
    given!.forEach((one, i) => isTree(one) && adoptNumbers(own![i] as Section, one));
  }
}
