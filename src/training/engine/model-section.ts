import { readModel, type ModelConfig, type ReadSections } from '../../models/registry/from-config.js';
import type * as nn from '../../torch/nn/index.js';

/** A run replaces sections of its configuration, but does not change them, so that each has to be read once only. */
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
