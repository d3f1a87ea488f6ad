import type { Entry, Member, Reference } from './collect.js';

/** A page of the reference: its file name, title, and a sentence about its content. */
interface Page {
  file: string;
  title: string;
  about: string;
  /** Prefix of the names: `nn.` for `nn.Linear`. */
  prefix: string;
  entries: Entry[];
}

const NAMESPACES: Record<string, string> = {
  torch: 'Tensors: creation, memory, gradients. The operators have separate pages.',
  'torch.cuda': 'GPUs: streams, events, memory statistics, graphs.',
  nn: 'Layers, containers and the module system.',
  'nn.init': 'Initialisation of parameters.',
  F: 'Layers as stateless functions.',
  optim: 'Optimizers, learning-rate schedules, weight averaging.',
};

const FOLDERS: Record<string, string> = {
  torch: 'Checkpoint files: safetensors and PyTorch.',
  config: 'Schemas of settings.',
  models: 'The models of the paper, and loading of their weights.',
  training: 'Training steps and trainers.',
  reports: 'Report pages and charts of runs.',
  tokenizer: 'Images to tokens and back.',
  runs: 'Run folders: configuration, checkpoints, events.',
  sampling: 'Sampling of tokens and images.',
  data: 'Images for training.',
  metrics: 'Metrics of images and codes.',
  files: 'Files, and Ctrl-C.',
};

/** Returns the whole reference as Markdown files, by name; `README.md` links to the others. */
export function renderReference(reference: Reference, version: string): Map<string, string> {
  const pages: Page[] = [];
  for (const [namespace, entries] of reference) {
    if (namespace === '') {
      pages.push(...rootPages(entries));
      continue;
    }
    const byHand = entries.filter((entry) => !isGenerated(entry));
    pages.push({
      file: `${namespace}.md`,
      title: namespace,
      about: NAMESPACES[namespace] ?? '',
      prefix: `${namespace}.`,
      entries: byHand,
    });
    pages.push(...operatorPages(entries.filter(isGenerated)));
  }
  const files = new Map(pages.map((page) => [page.file, renderPage(page)]));
  return new Map([['README.md', renderIndex(pages, version)], ...files]);
}

/** True if a symbol was written by the generator of operators. */
export function isGenerated({ file }: Entry): boolean {
  return file.includes('.generated.');
}

function rootPages(entries: Entry[]): Page[] {
  return Object.entries(FOLDERS).map(([folder, about]) => ({
    file: `${folder === 'torch' ? 'checkpoints' : folder}.md`,
    title: folder === 'torch' ? 'Checkpoint files' : folder[0]!.toUpperCase() + folder.slice(1),
    about,
    prefix: '',
    entries: entries.filter(({ name, file }) => file.startsWith(`${folder}/`) && name !== 'Tensor'),
  }));
}

function operatorPages(entries: Entry[]): Page[] {
  const families = new Map<string, Entry[]>();
  for (const entry of entries) {
    const family = /([\w-]+)\.generated/.exec(entry.file)![1]!;
    families.set(family, [...(families.get(family) ?? []), entry]);
  }
  return [...families]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([family, own]) => ({
      file: `operators-${family}.md`,
      title: `Operators: ${family}`,
      about: 'Functions of `torch`; those whose first argument is `self` are also methods of tensors.',
      prefix: 'torch.',
      entries: own.filter(({ kind }) => kind === 'constant'),
    }));
}

function renderIndex(pages: Page[], version: string): string {
  const lines = [
    '# API reference',
    '',
    `Version ${version}, generated from the docstrings by \`npm run docs\`.`,
    '',
    ...pages.map(
      ({ file, title, about, entries }) => `- [${title}](${file}): ${about} ${entries.length} symbols.`,
    ),
    '',
    '## All names',
    '',
  ];
  const names = pages.flatMap(({ file, prefix, entries }) =>
    entries.map(({ name }) => ({ shown: prefix + name, link: `${file}#${anchor(name)}` })),
  );
  names.sort((a, b) => (a.shown.toLowerCase() < b.shown.toLowerCase() ? -1 : 1));
  lines.push(names.map(({ shown, link }) => `[${shown}](${link})`).join(' · '), '');
  return lines.join('\n');
}

function renderPage({ title, about, prefix, entries }: Page): string {
  const sections = entries.map((entry) => renderEntry(entry, prefix));
  return [`# ${title}`, '', about, '', '[All pages](README.md)', '', ...sections].join('\n');
}

function renderEntry({ name, kind, documentation, signatures, members }: Entry, prefix: string): string {
  const lines = [`<a id="${anchor(name)}"></a>`, '', `## ${prefix}${name}`, '', `*${kind}*`, ''];
  if (documentation) lines.push(prose(documentation), '');
  lines.push('```ts', ...signatures, '```', '');
  if (members.length > 0) lines.push(...members.flatMap(renderMember), '');
  return lines.join('\n');
}

function renderMember({ name, documentation, signatures }: Member): string[] {
  const text = prose(documentation).replaceAll('\n', '\n  ');
  const code = signatures.map((signature) => `  ${signature.replaceAll('\n', '\n  ')}`);
  return [`- **${name}**${text ? `: ${text}` : ''}`, '', '  ```ts', ...code, '  ```', ''];
}

/** Converts the links and tags of a docstring to Markdown. */
function prose(documentation: string): string {
  return documentation
    .replaceAll(/\{@link ([\w.]+)\}/g, '`$1`')
    .replaceAll(/@param (\S+) /g, '\n- `$1`: ')
    .replaceAll(/@returns? /g, '\n- returns ')
    .replaceAll(/@throws /g, '\n- throws ')
    .replaceAll(/@deprecated /g, '**Deprecated.** ')
    .replaceAll(/@example\s*/g, '\nExample:\n\n')
    .trim();
}

function anchor(name: string): string {
  return name.replaceAll(/[^\w]/g, '-');
}
