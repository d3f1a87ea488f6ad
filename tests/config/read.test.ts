import test from 'ava';
import { nearest } from '../../src/config/nearest.js';
import { ConfigError, readConfig, readTree, withNested, type Reading } from '../../src/config/read.js';
import {
  alone,
  changeable,
  count,
  counts,
  flag,
  kept,
  model,
  object,
  oneOf,
  optional,
  probability,
  type Given,
  type Settings,
} from '../../src/config/schema.js';

const backbone = { ch: count(), chMult: counts([1, 2]), attnType: alone('vanilla', 'there is no other') };
const schema = {
  nEmbed: count(),
  H: count(2),
  ddconfig: object(backbone),
  loss: optional(model<() => string>('a loss', (value) => typeof value === 'function', 'later')),
  stage: optional(model<string>('a stage', (value) => value === 'built')),
  kind: oneOf('hard', 'soft')('hard'),
  dropout: probability(0),
  remap: optional(counts()),
  useActnorm: changeable(flag(false)),
  monitor: kept<string>(),
};
const given = { n_embed: 3, ddconfig: { ch: 4 } };
const tree = (values: unknown, reading: Partial<Reading> = {}) =>
  readTree(schema, values, { path: 'params', snake: true, ...reading });

test('defaults are filled in, names are those of TypeScript, null counts as not given', (t) => {
  t.deepEqual(tree({ ...given, H: 5, remap: null, use_actnorm: true, monitor: 'loss' }), {
    nEmbed: 3,
    H: 5,
    ddconfig: { ch: 4, chMult: [1, 2] },
    kind: 'hard',
    dropout: 0,
    useActnorm: true,
    monitor: 'loss',
  });
  const settings: Settings<typeof schema> = readConfig(schema, { nEmbed: 1, ddconfig: { ch: 1 } }, 'Model');
  t.is(settings.ddconfig.chMult.length, 2);
});

for (const [values, path, message] of [
  [{ ...given, n_embd: 1 }, 'params.n_embd', 'unknown key "params.n_embd"; did you mean "params.n_embed"?'],
  [{ ...given, nEmbed: 1 }, 'params.nEmbed', 'unknown key "params.nEmbed"; did you mean "params.n_embed"?'],
  [{ ddconfig: { ch: 1 } }, 'params.n_embed', 'params.n_embed is missing; it must be a positive integer'],
  [
    { ...given, ddconfig: {} },
    'params.ddconfig.ch',
    'params.ddconfig.ch is missing; it must be a positive integer',
  ],
  [{ ...given, ddconfig: [4] }, 'params.ddconfig', 'params.ddconfig must be an object, got [4]'],
  [{ ...given, H: 0.5 }, 'params.H', 'params.H must be a positive integer, got 0.5'],
  [{ ...given, kind: 'firm' }, 'params.kind', 'params.kind must be one of "hard", "soft", got "firm"'],
  [
    { ...given, loss: 'none' },
    'params.loss',
    'params.loss must be a loss, as { target, params }, got "none"',
  ],
  [
    { ...given, ddconfig: { ch: 4, attn_type: 'linear' } },
    'params.ddconfig.attn_type',
    'params.ddconfig.attn_type must be "vanilla" or left out: there is no other, got "linear"',
  ],
  [[1], 'params', 'params must be an object, got [1]'],
] as const) {
  test(`names the place: ${message}`, (t) => {
    const error = t.throws(() => tree(values, { nested: () => () => 'built' }), { instanceOf: ConfigError });
    t.is(error.message, message);
    t.is(error.path, path);
  });
}

test('nested models are read at once, and built in turn or when their owner asks, as often as wanted', (t) => {
  const happened: string[] = [];
  const nested = (config: unknown, path: string) => {
    happened.push(`read ${path}`);
    return () => {
      happened.push(`built ${path}`);
      return (config as { target: string }).target;
    };
  };
  const values = { ...given, loss: { target: 'later' }, stage: { target: 'built' } };
  const settings = tree(values, { nested });
  t.deepEqual(happened.splice(0), ['read params.loss', 'read params.stage']);
  for (let time = 0; time < 2; time++) {
    const { loss, stage } = withNested(schema, settings);
    t.deepEqual([stage, happened.splice(0)], ['built', ['built params.stage']]);
    t.is(loss!(), 'later');
    t.deepEqual(happened.splice(0), ['built params.loss']);
  }
  const other = tree({ ...given, stage: { target: 'GPT' } }, { nested });
  t.throws(() => withNested(schema, other), {
    message: 'params.stage must be a stage, as { target, params }, got "GPT"',
  });
});

test('if asked to, it says what is wrong before what is missing', (t) => {
  const read: string[] = [];
  const nested = (_: unknown, path: string) => {
    read.push(path);
    return () => 'built';
  };
  const values = { loss: { target: 'x' }, stage: { target: 'y' } };
  t.throws(() => tree(values, { nested, wrongFirst: true }), { message: /n_embed is missing/ });
  t.deepEqual(read, ['params.loss', 'params.stage']);
  t.notThrows(() => tree(values, { nested, partial: true }));
});

test('a constructor says its name, tells kinds from ranges, and leaves other keys alone', (t) => {
  const make = (config: object) => () => readConfig(schema, config as Given<typeof schema>, 'Model');
  const base = { nEmbed: 1, ddconfig: { ch: 1 } };
  t.throws(make({ ...base, nEmbed: '1' }), {
    instanceOf: TypeError,
    message: 'Model: nEmbed must be a positive integer, got "1"',
  });
  t.throws(make({ ...base, dropout: 1 }), { instanceOf: RangeError, message: /in \[0, 1\), got 1$/ });
  t.throws(make({ ...base, dropout: '0' }), { instanceOf: TypeError });
  t.deepEqual(Object.keys(make({ ...base, other: 1 })()), [
    'nEmbed',
    'H',
    'ddconfig',
    'kind',
    'dropout',
    'useActnorm',
  ]);
});

test('the nearest name has the fewest edits, of which swapped neighbours are one', (t) => {
  t.is(nearest('stpes', ['step', 'steps']), 'steps');
  t.is(nearest('BATCHSIZE', ['keep', 'batchSize']), 'batchSize');
  t.is(nearest('a', []), undefined);
});
