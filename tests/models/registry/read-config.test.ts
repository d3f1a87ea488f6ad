/** Configuration files as OmegaConf's documentation says that it reads them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { ConfigFileError } from '../../../src/config/file-error.js';
import { readConfig } from '../../../src/models/registry/read-config.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-config-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

let files = 0;
function written(text: string | Uint8Array): string {
  const path = join(root, `${files++}.yaml`);
  writeFileSync(path, text);
  return path;
}

/** YAML and what it comes to with every reference followed. */
const cases: [name: string, yaml: string, expected: unknown][] = [
  ['from the top', 'a: { b: 3 }\nc: ${a.b}\n', { a: { b: 3 }, c: 3 }],
  [
    'keeps types',
    'a: [1, x]\nb: ${a}\nc: true\nd: ${c}\ne: null\nf: ${e}\n',
    { a: [1, 'x'], b: [1, 'x'], c: true, d: true, e: null, f: null },
  ],
  ['next to itself', 'a:\n  b: 1\n  c: ${.b}\n', { a: { b: 1, c: 1 } }],
  ['one level up', 'a:\n  b: 1\n  c:\n    d: ${..b}\n', { a: { b: 1, c: { d: 1 } } }],
  ['two levels up', 'x: 5\na:\n  c:\n    d: ${...x}\n', { x: 5, a: { c: { d: 5 } } }],
  ['next to itself in a list', 'a: [7, "${.0}"]\n', { a: [7, 7] }],
  ['up from a list', 'a:\n  n: 2\n  l: ["${..n}"]\n', { a: { n: 2, l: [2] } }],
  ['an item of a list', 'a: [4, 5]\nb: ${a[1]}\nc: ${a.0}\n', { a: [4, 5], b: 5, c: 4 }],
  ['keys in brackets', 'a: { b: { c: 1 } }\nd: ${a[b][c]}\n', { a: { b: { c: 1 } }, d: 1 }],
  ['inside a text', 'n: 3\ns: x_${n}_y${n}\n', { n: 3, s: 'x_3_y3' }],
  ['Python writes values in texts', 't: true\nn: null\ns: ${t}-${n}\n', { t: true, n: null, s: 'True-None' }],
  ['one in another', 'k: b\na: { b: 9 }\nc: ${a.${k}}\n', { k: 'b', a: { b: 9 }, c: 9 }],
  [
    'one in another, twice',
    'i: { j: k }\nk: b\na: { b: 9 }\nc: ${a.${${i.j}}}\n',
    { i: { j: 'k' }, k: 'b', a: { b: 9 }, c: 9 },
  ],
  ['a chain', 'a: ${b}\nb: ${c}\nc: 1\n', { a: 1, b: 1, c: 1 }],
  ['through a reference', 'a: ${b}\nb: { x: 1 }\nc: ${a.x}\n', { a: { x: 1 }, b: { x: 1 }, c: 1 }],
  [
    'a map with references of its own',
    'a: ${b.m}\nb:\n  n: 2\n  m: { x: "${..n}" }\n',
    { a: { x: 2 }, b: { n: 2, m: { x: 2 } } },
  ],
  [
    'only what is needed is followed',
    'a: ${b}\nb: { x: 1, y: "${a.x}" }\n',
    { a: { x: 1, y: 1 }, b: { x: 1, y: 1 } },
  ],
  ['the signs themselves', 'n: 1\na: \\${n}\nb: x\\${n}-${n}\n', { n: 1, a: '${n}', b: 'x${n}-1' }],
  ['a backslash before a reference', 'n: 1\na: \\\\${n}\n', { n: 1, a: '\\1' }],
  ['a backslash elsewhere', 'n: 1\na: \\x${n}\nb: \\d\n', { n: 1, a: '\\x1', b: '\\d' }],
  ['blanks', 'n: 1\na: ${ n }\n', { n: 1, a: 1 }],
  [
    'a variable',
    'a: ${oc.env:TESSERA_TEST_NAME}\nb: p/${oc.env:TESSERA_TEST_NAME}\n',
    { a: '12', b: 'p/12' },
  ],
  [
    'a default',
    'a: ${oc.env:TESSERA_NO,x y}\nb: ${oc.env:TESSERA_NO,null}\nc: ${oc.env:TESSERA_NO,${d}}\nd: 4\n',
    { a: 'x y', b: null, c: '4', d: 4 },
  ],
  ['a quoted default', 'a: ${oc.env:TESSERA_NO,"a,b"}\n', { a: 'a,b' }],
  ['decoded', 'a: ${oc.decode:${oc.env:TESSERA_TEST_NAME}}\n', { a: 12 }],
  [
    'selected',
    'a: { b: 1 }\nc: ${oc.select:a.b,7}\nd: ${oc.select:a.x,7}\ne: ${oc.select:a.x}\n',
    { a: { b: 1 }, c: 1, d: 7, e: null },
  ],
  ['a merge key', 'a: &a { x: 1, y: 2 }\nb:\n  <<: *a\n  y: 3\n', { a: { x: 1, y: 2 }, b: { x: 1, y: 3 } }],
  [
    'a merge key that stands last',
    'a: &a { x: 1, y: 2 }\nb:\n  y: 3\n  <<: *a\n',
    { a: { x: 1, y: 2 }, b: { y: 3, x: 1 } },
  ],
  [
    'several: the first wins',
    'a: &a { x: 1 }\nb: &b { x: 2, y: 2 }\nc:\n  <<: [*a, *b]\n',
    { a: { x: 1 }, b: { x: 2, y: 2 }, c: { x: 1, y: 2 } },
  ],
  [
    'merged into what is merged',
    'a: &a { x: 1 }\nb: &b\n  <<: *a\n  y: 2\nc: { <<: *b, z: 3 }\n',
    { a: { x: 1 }, b: { x: 1, y: 2 }, c: { x: 1, y: 2, z: 3 } },
  ],
  ['merged with references', 'a: &a { x: "${n}" }\nn: 4\nb:\n  <<: *a\n', { a: { x: 4 }, n: 4, b: { x: 4 } }],
  ['an alias', 'a: &a [1]\nb: *a\n', { a: [1], b: [1] }],
  ['JSON', '{"a": {"b": 1}, "c": "${a.b}"}', { a: { b: 1 }, c: 1 }],
];

test.serial('merge keys and references come to what they name', async (t) => {
  process.env['TESSERA_TEST_NAME'] = '12';
  t.teardown(() => delete process.env['TESSERA_TEST_NAME']);
  for (const [name, yaml, expected] of cases)
    t.deepEqual(await readConfig(written(yaml)), expected as never, name);
});

const mistakes: [yaml: string, message: RegExp][] = [
  ['a: ${b}\n', /\.yaml: a: "\$\{b\}" refers to nothing: there is no b/],
  ['a: { bcd: 1 }\nc: ${a.bce}\n', /c: "\$\{a\.bce\}".*no a\.bce; did you mean "a\.bcd"\?/],
  ['a: [1]\nc: ${a[1]}\n', /there is no a\.1/],
  ['a: 1\nc: ${a.b}\n', /there is no a\.b/],
  ['a: x${b}y\n', /refers to nothing/],
  ['a: ${a}\n', /circular reference: a → a/],
  ['a: ${b}\nb: x${c}\nc: ${a}\n', /a → b → c → a/],
  ['a: { b: "${a}" }\n', /circular reference/],
  ['a: { b: "${..}" }\n', /circular reference/],
  ['a: ${...b}\n', /leads above the top/],
  ['a: ${\n', /not closed/],
  ['a: ${}\n', /is empty/],
  ['a: ${now:%Y-%m-%d}\n', /unknown resolver now; supported are oc\.env/],
  ['a: ${oc.env:TESSERA_NO}\n', /the environment has no variable TESSERA_NO/],
  ['a: ???\nb: ${a}\n', /no value yet/],
  ['a: { x: 1 }\nb: t${a}\n', /a map or a list/],
  ['b:\n  <<: *a\n', /\.yaml:2: "\*a" refers to nothing/],
  ['a: *b\nb: &b 1\n', /\.yaml:1: "\*b" refers to nothing/],
  ['a: &a 1\nb:\n  <<: *a\n', /not valid YAML: Merge/],
  ['a: [\n', /\.yaml:\d: not valid YAML/],
  ['- a\n', /is a map of/],
  ['', /is a map of/],
];

test('what cannot be followed is an error with the file and the place', async (t) => {
  for (const [yaml, message] of mistakes) {
    await t.throwsAsync(readConfig(written(yaml)), { instanceOf: ConfigFileError, message }, yaml);
  }
  await t.throwsAsync(readConfig('no/such.yaml'), {
    message: /no\/such\.yaml: there is no such configuration file/,
  });
});

test('a file of the reference gives a model', async (t) => {
  const path = written(`model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: \${.ddconfig.z_channels}
    n_embed: 16
    ddconfig: { z_channels: 8, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1], num_res_blocks: 0, attn_resolutions: [] }
    lossconfig: { target: taming.modules.losses.DummyLoss }
`);
  const { model } = await readConfig(path);
  t.is(modelFromConfig(model, { init: false }).stateDict().get('quantize.embedding.weight')!.shape[1], 8);
});

const bytes = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding);
for (const [what, content] of [
  ['UTF-8 with a byte order mark', bytes('\uFEFFa: é\n', 'utf8')],
  ['UTF-16, little end first', bytes('\uFEFFa: é\n', 'utf16le')],
  ['UTF-16, big end first', bytes('\uFEFFa: é\n', 'utf16le').swap16()],
  ['UTF-16 without a mark', bytes('a: é\n', 'utf16le')],
] as const) {
  test(`a configuration may be ${what}`, async (t) => {
    t.deepEqual((await readConfig(written(content))) as unknown, { a: 'é' });
  });
}

for (const [what, content, message] of [
  ['is Latin-1', bytes('a: é\n', 'latin1'), /not text in UTF-8; save the file as UTF-8$/],
  ['is half a UTF-16 file', bytes('\uFEFFa: b', 'utf16le').subarray(0, 7), /not text in UTF-16LE/],
  ['has zero bytes', bytes('a: 1\0\n', 'utf8'), /not text; a configuration is YAML or JSON/],
  ['is a checkpoint', Uint8Array.of(80, 75, 3, 4, 0, 0, 8, 8), /not text/],
  [
    'holds two documents',
    'a: 1\n---\nb: 2\n',
    /:2: a second document begins here; a file must contain only one$/,
  ],
  ['has a tag of its own', 'a: 1\nb: !foo bar\n', /:2: unknown tag !foo; write the value/],
  ['makes a Python object', 'a: !!python/object/apply:os.system [x]\n', /:1: unknown tag !!python\/object/],
  ['has binary data', 'a: !!binary aGk=\n', /:1: unknown tag !!binary/],
  ['has a set', 'a: !!set {x, y}\n', /:1: unknown tag !!set/],
  ['calls a text a number', 'a: !!float x\n', /:1: "x" is not a valid !!float$/],
  ['calls a fraction whole', 'a: !!int 3.5\n', /:1: "3.5" is not a valid !!int$/],
  ['has an alias inside its anchor', 'a: &a\n  b: [*a]\n', /:2: "\*a" refers to a node that contains it$/],
] as const) {
  test(`a configuration that ${what} is an error that says so`, async (t) => {
    await t.throwsAsync(readConfig(written(content)), { instanceOf: ConfigFileError, message });
  });
}

test('a folder in the place of a configuration is called one', async (t) => {
  await t.throwsAsync(readConfig(root), { instanceOf: ConfigFileError, message: /this is a folder/ });
});

test('tags give scalars their types', async (t) => {
  const file = written('a: !!float 3\nb: !!str 5\nc: !!int "7"\nd: !!python/tuple [1]\ne: !!float 1e3\n');
  t.deepEqual((await readConfig(file)) as unknown, { a: 3, b: '5', c: 7, d: [1], e: 1000 });
});

test('an anchor that is defined again inside itself may be referred to there', async (t) => {
  const config: unknown = await readConfig(written('a: &a [&a x, *a]\n'));
  t.deepEqual(config, { a: ['x', 'x'] });
});
