/** Commands and programs of the README, taken from its text. */

/** A block of code. */
export interface Block {
  language: string;
  text: string;
}

/** Returns the code blocks of the README in order, without listings that have no language. */
export function blocks(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n([^]*?)^```/gm)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
}

/** Returns the command lines of shell blocks and of code in the prose, each once. */
export function commands(markdown: string): string[] {
  const fromBlocks = blocks(markdown)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n').map(withoutComment));
  const prose = markdown.replace(/^```[^]*?^```/gm, '');
  const inProse = [...prose.matchAll(/`((?:[A-Z_]+=\S+ )*np[mx] [^`]+)`/g)].map(([, text = '']) => text);
  return [
    ...new Set([...fromBlocks, ...inProse].map((line) => line.replace(/\s+/g, ' ').trim()).filter(Boolean)),
  ];
}

function withoutComment(line: string): string {
  return line.replace(/(^|\s)#.*$/, '');
}

/** Treatment of a command: it is run, possibly changed, or left out for a reason. */
export type Rule =
  { like: RegExp; skip: string } | { like: RegExp; as?: (command: string) => string; stage: Stage };

/** `use` needs the installed package only; `build` compiles the addon, which takes minutes. */
export type Stage = 'use' | 'build';

const short = (steps: number) => (command: string) =>
  `${command.replace(/--minutes \d+/, '')} --steps ${steps}`;

const onFewScenes = (command: string) => `${command} --steps 2 data.count=40`;

/** Rules in order; the first match is used. Every command must match one. */
export const rules: readonly Rule[] = [
  { like: /^npm ci|^npm (run|test)\b|npm run test:cuda/, skip: 'in a checkout' },
  { like: /^npm (ls|dedupe)\b/, skip: 'for a project with two versions' },
  { like: /^sudo /, skip: 'changes the system' },
  { like: /--device cuda/, skip: '3 GB, for a GPU' },
  { like: /FILE\b/, skip: 'stands for a file of the reader’s' },
  { like: /^npm install tessera-torch\b/, skip: 'what installing the tarballs stands for' },
  { like: /^npm install --save-dev cmake-js/, stage: 'build' },
  { like: /setup --build$/, stage: 'build' },
  { like: /^cmake /, stage: 'build', as: inPackage },
  { like: /^npm install @iconify-json\/noto$/, stage: 'use' },
  {
    like: /^npm install @huggingface\/transformers$/,
    skip: 'an optional peer, for a program that is said to be untried',
  },
  { like: /shards\/|photos\.jsonl/, skip: 'stands for archives and lists of the reader’s' },
  { like: /data\.(crop|buckets)=|training\.best=/, stage: 'use', as: short(2) },
  { like: /^(torchrun|srun|export MASTER_ADDR)\b/, skip: 'on several machines' },
  { like: /^npx tessera-torch launch /, stage: 'use', as: short(2) },
  { like: /setup --weights lpips$/, skip: '550 MB from the network' },
  { like: /train vqgan --data photos --minutes/, stage: 'use', as: short(3) },
  { like: /train transformer --vqgan runs\/vqgan --minutes/, stage: 'use', as: short(3) },
  { like: /train .*runs\/(imagenet|cin) .*--minutes/, stage: 'use', as: short(2) },
  { like: /image_key=edges|runs\/edges -c|cond_stage_key=lr|-c vectors/, stage: 'use', as: short(2) },
  { like: /--name images$|-c segmentation|-c maps|-c layouts/, stage: 'use', as: onFewScenes },
  { like: /train vqgan -c mine\.yaml/, stage: 'use', as: short(2) },
  { like: /train vqgan --resume runs\/vqgan --minutes/, stage: 'use', as: short(6) },
  { like: /train vqgan --resume runs\/vqgan$/, stage: 'use', as: short(5) },
  { like: /^npx tessera-torch (sample|data)$|^npx tessera-torch$/, skip: 'a name, told in the prose' },
  { like: /^npx tessera-torch /, stage: 'use' },
];

/** Replaces placeholders of the README, such as paths and cmake's folder, by those of a project. */
function inPackage(command: string): string {
  const cmake = command.replace('/path/to/libtorch', '$LIBTORCH_FOLDER').replaceAll('/path/to/', '$PWD/../');
  return `cd node_modules/tessera-torch && ${cmake}`;
}

/** Returns the rule for a command. @throws Error if none matches, so that no command of the README is missed */
export function ruleFor(command: string): Rule {
  const rule = rules.find(({ like }) => like.test(command));
  if (rule === undefined)
    throw new Error(`the README has a command that scripts/packages/readme.ts has no rule for: ${command}`);
  return rule;
}
