import test from 'ava';
import { stageTexts } from '../../src/reports/stages.js';
import type { RunConfig } from '../../src/runs/config.js';

const classes = { target: 'taming.modules.util.Labelator', params: { n_classes: 3 } };
const config = (cond_stage_config: unknown, data: object = {}): RunConfig =>
  ({ model: { target: '', params: { cond_stage_config } }, data, training: {} }) as unknown as RunConfig;

for (const [what, given, command] of [
  ['an unconditional model', config('__is_unconditional__'), 'sample RUN --grid'],
  ['classes', config(classes), 'sample RUN --class 0 --grid'],
  ['a map', config({ target: 'a' }, { maps: ['depth'] }), 'sample RUN --condition FILE --grid'],
  [
    'a class and a map',
    config({ target: 'tessera.conditions.Several', params: { conditions: [classes] } }, { maps: ['depth'] }),
    'sample RUN --class 0 --condition FILE --grid',
  ],
] as const) {
  test(`the suggested command names the condition: ${what}`, (t) => {
    t.deepEqual(stageTexts.transformer.uses('RUN', given), [`npx tessera-torch ${command}`]);
    t.is(stageTexts.transformer.next('RUN', given), `npx tessera-torch ${command}`);
  });
}
