import test from 'ava';
import { collectReference, type Entry } from '../../scripts/reference/collect.js';
import { unexportedTypes } from '../../scripts/reference/mentioned.js';
import { isGenerated, renderReference } from '../../scripts/reference/markdown.js';

// Of dist, which `npm test` builds first.
const reference = collectReference();
const all = [...reference].flatMap(([namespace, entries]) =>
  entries.map((entry) => ({ path: namespace ? `${namespace}.${entry.name}` : entry.name, entry })),
);

test('the reference has the namespaces and what they are made of', (t) => {
  for (const namespace of ['', 'F', 'nn', 'nn.init', 'optim', 'torch', 'torch.cuda']) {
    t.true(reference.has(namespace), namespace);
  }
  const paths = new Set(all.map(({ path }) => path));
  for (const path of [
    'VQModel',
    'torch.add',
    'torch.zeros',
    'nn.Linear',
    'nn.init.zeros_',
    'F.relu',
    'optim.Adam',
  ]) {
    t.true(paths.has(path), path);
  }
  t.true(all.length > 1500);
});

/** A sentence: some words, the first one no tag. */
function isSentence(documentation: string): boolean {
  return documentation.length >= 15 && /\w \w/.test(documentation);
}

/** A readonly field or a getter, such as `readonly normOut: nn.GroupNorm`: name and type often say all. */
function isPlainField(signature: string): boolean {
  return /^(static |abstract )*(readonly|get) \w+/.test(signature) && !signature.includes('=>');
}

function lacking({ path, entry }: { path: string; entry: Entry }): string[] {
  const bare = entry.kind !== 'type' && !isGenerated(entry) && !isSentence(entry.documentation) ? [path] : [];
  const members = entry.kind === 'class' ? entry.members : [];
  const undescribed = members.filter(
    ({ name, documentation, signatures }) =>
      name !== 'constructor' && !documentation && !signatures.every((one) => isPlainField(one)),
  );
  return [...bare, ...undescribed.map(({ name }) => `${path}#${name}`)];
}

test('functions, classes, constants and the methods and settings of classes have a docstring', (t) => {
  t.deepEqual(all.flatMap(lacking), []);
});

test('generated operators state schema, PyTorch name and what they share or change', (t) => {
  const operators = new Map(
    all
      .filter(({ entry }) => isGenerated(entry) && entry.kind === 'constant')
      .map(({ path, entry }) => [path, entry]),
  );
  t.true(operators.size > 900);
  for (const [path, { documentation }] of operators)
    t.regex(documentation, /PyTorch's `torch\.\w+`:\n- `aten::/, path);
  const says = (name: string) => operators.get(`torch.${name}`)!.documentation;
  t.regex(says('add_'), /changes `self` in place and returns it/);
  t.regex(says('transpose'), /a view of `self`\)/);
  t.regex(says('split'), /views of `self`/);
  t.regex(says('reshape'), /a view of `self`, itself, or a copy/);
  t.notRegex(says('add'), /view|in place/);
});

test('the pages hold every symbol once, and links lead to it', (t) => {
  const files = renderReference(reference, '1.2.3');
  const index = files.get('README.md')!;
  t.true(index.includes('1.2.3'));
  const anchors = new Set<string>();
  for (const [file, text] of files) {
    for (const [, id] of text.matchAll(/<a id="([^"]+)">/g)) {
      t.false(anchors.has(`${file}#${id}`), `${file}#${id} twice`);
      anchors.add(`${file}#${id}`);
    }
  }
  for (const [, link] of index.matchAll(/\]\(([^)]+#[^)]+)\)/g)) t.true(anchors.has(link!), link);
  const symbols = all.filter(
    ({ path, entry }) => path !== 'Tensor' && !(isGenerated(entry) && entry.kind !== 'constant'),
  );
  t.is(anchors.size, symbols.length);
});

test('every type that a public declaration mentions can be imported by its name', (t) => {
  t.deepEqual(unexportedTypes(), []);
});
