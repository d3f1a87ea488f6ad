import type { Entry, Member, Reference } from './collect.js';

/** A page of the reference: its file's name, title, and what it is about in a sentence. */
interface Page {
  file: string;
  title: string;
  about: string;
  /** What stands before a name where it is used: `nn.` for `nn.Linear`. */
  prefix: string;
  entries: Entry[];
}

const NAMESPACES: Record<string, string> = {
  torch: 'Tensors: how they are made, kept, differentiated and freed. The operators have pages of their own.',
  'torch.cuda': 'GPUs: streams, events, memory, recorded graphs.',
  nn: 'Layers, containers and what belongs to modules.',
  'nn.init': 'Initial values of parameters.',
  F: 'Functions of layers that keep no state.',
  optim: 'Optimizers, schedules of learning rates, averages of weights.',
};

const FOLDERS: Record<string, string> = {
  torch: 'Checkpoint files: safetensors and PyTorch.',
  config: 'How settings are described.',
  models: 'The models of the paper, and what loads their weights.',
  training: 'Training steps and trainers.',
  reports: 'Pages and charts of runs.',
  runs: 'Run folders: configuration, checkpoints, events.',
  sampling: 'Drawing new pictures.',
  data: 'Pictures for training.',
  metrics: 'Figures about pictures and codes.',
  files: 'Work with files, and Ctrl-C.',
};

/** The whole reference as Markdown files, by name; `README.md` leads to the others. */
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

/** Whether a symbol was written by the generator of operators. */
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
      about: 'Functions of `torch`; those whose first argument is `self` are methods of tensors as well.',
      prefix: 'torch.',
      entries: own.filter(({ kind }) => kind === 'constant'),
    }));
}

function renderIndex(pages: Page[], version: string): string {
  const lines = [
    '# API reference',
    '',
    `Version ${version}, made from the docstrings by \`npm run docs\`.`,
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

/** Docstrings are nearly Markdown: links and tags are made so. */
function prose(documentation: string): string {
  return documentation
    .replaceAll(/\{@link ([\w.]+)\}/g, '`$1`')
    .replaceAll(/@param (\S+) /g, '\n- `$1`: ')
    .replaceAll(/@returns? /g, '\n- returns ')
    .replaceAll(/@throws /g, '\n- throws ')
    .replaceAll(/@example\s*/g, '\nExample:\n\n')
    .trim();
}

function anchor(name: string): string {
  return name.replaceAll(/[^\w]/g, '-');
}
