/** Sections of a run's configuration: each is read once, and numbers that a program sets are not read at all. */
import test from 'ava';
import type { Labelator } from '../../../src/models/conditions/class.js';
import { Several } from '../../../src/models/conditions/several.js';
import type { ModelConfig } from '../../../src/models/registry/from-config.js';
import { adoptNumbers, modelOfSection } from '../../../src/training/engine/model-section.js';
import type { TwoStage } from '../../../src/models/two-stage.js';
import { dispose } from '../../../src/torch/index.js';
import { transformerConfig, vqganConfig } from '../tiny.js';

const first_stage_config = vqganConfig({ lpips: 'off' }).model;
const classes = (n_classes: number): ModelConfig => ({
  target: 'taming.modules.util.Labelator',
  params: { n_classes },
});

/** A transformer whose condition is what the function makes of a number of classes. */
function section(n_classes: number, conditionOf: (count: number) => ModelConfig = classes): ModelConfig {
  const { model } = transformerConfig('unused');
  const { unconditional: _, transformer_config, ...params } = model.params;
  const gpt = { ...transformer_config, params: { ...transformer_config.params, vocab_size: 40 + n_classes } };
  const cond_stage_config = conditionOf(n_classes);
  return {
    ...model,
    params: {
      ...params,
      first_stage_config,
      transformer_config: gpt,
      cond_stage_config,
      null_token: n_classes,
    },
  };
}

const several = (count: number): ModelConfig => ({
  target: 'tessera.conditions.Several',
  params: { first_id: 16, keys: [null, null], conditions: [classes(count), classes(5)] },
});

/** Builds the model and returns what became of its numbers. */
function numbersOf(section: ModelConfig) {
  const model = modelOfSection<TwoStage>(section, false);
  const { transformer, condStageModel } = model;
  dispose([...model.parameters(), ...model.buffers()]);
  const conditions =
    condStageModel instanceof Several
      ? condStageModel.parts.map((one) => one.condStageModel)
      : [condStageModel];
  return {
    nullToken: (model.config as { nullToken?: number }).nullToken,
    section: model.config.params,
    vocabulary: transformer.vocabSize,
    classes: conditions.map((one) => (one as Labelator).nClasses),
  };
}

for (const [name, conditionOf] of Object.entries({ 'one condition': classes, 'several conditions': several }))
  test(`numbers are those of the other section in all models made afterwards: ${name}`, (t) => {
    const read = section(1, conditionOf);
    t.is(numbersOf(read).vocabulary, 41);
    adoptNumbers(read, section(7, conditionOf));
    t.deepEqual(read, section(7, conditionOf));
    t.deepEqual(numbersOf(read), numbersOf(section(7, conditionOf)));
    const { vocabulary, nullToken, classes: counts } = numbersOf(read);
    t.deepEqual([vocabulary, nullToken, counts[0]], [47, 7, 7]);
  });

test('what is equal is not written to', (t) => {
  const read = section(3);
  Object.freeze(read.params);
  t.notThrows(() => adoptNumbers(read, { ...read, params: { ...read.params } }));
});

test('a section that was not read yet is changed all the same', (t) => {
  const unread = section(1);
  adoptNumbers(unread, section(2));
  t.is(numbersOf(unread).nullToken, 2);
});
