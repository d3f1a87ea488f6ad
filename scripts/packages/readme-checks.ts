/** Runs the commands and programs of the README in a project of each package manager. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from './checks.js';
import { managers, type Manager } from './managers.js';
import { lay } from './materials.js';
import { installed, type Project, type Workshop } from './project.js';
import { blocks, commands, ruleFor, type Stage } from './readme.js';
import { root } from './stage.js';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Tool that runs the README's programs as they stand. Their imports come with the package, or the README names them. */
const MORE = ['tsx@4'];

/** Commands that the README's prose mentions in part: presets, classes, landscapes. */
const BESIDES = [
  'npx tessera-torch train vqgan -c imagenet --print-config',
  'npx tessera-torch train transformer -c faces --print-config',
  'npx tessera-torch train vqgan --data photos --dry-run',
  'npx tessera-torch train transformer --vqgan runs/vqgan -c classes --steps 2 --name birds',
  'npx tessera-torch sample runs/birds --class robin --n 2',
  'npx tessera-torch data scenes landscapes --count 4',
  // The short name, which npx finds once the package is installed.
  'npx --no-install tessera --version',
];

/** Returns the commands of the README for one stage, in order. */
function lines(stage: Stage): string[] {
  return commands(readme).flatMap((command) => {
    const rule = ruleFor(command);
    if ('skip' in rule || rule.stage !== stage) return [];
    return [rule.as?.(command) ?? command];
  });
}

/** Shortens a program of the README, which trains for 2,000 steps. */
const programs = (): string[] =>
  blocks(readme)
    .filter(({ language }) => language === 'ts')
    .map(({ text }) => text.replace('steps: 2000', 'steps: 3'));

function runAll(project: Project, { words }: Manager, list: readonly string[]): void {
  for (const line of list) project.run(words(line));
}

function readmeCheck(manager: Manager): Check<Workshop> {
  return {
    name: `README, ${manager.name}`,
    run(workshop) {
      const project = manager.project(workshop, `readme-${manager.name.replace(/\W+/g, '-')}`, MORE);
      lay(workshop.materials, project.folder);
      runAll(project, manager, [...lines('use'), ...BESIDES]);
      for (const [index, text] of programs().entries()) {
        const file = `program-${index + 1}.ts`;
        project.write(file, text.replaceAll('runs/mine', `runs/mine-${index}`));
        project.run(manager.words(`node --import tsx ${file}`));
      }
    },
  };
}

/** Builds the addon from the package's sources, which takes minutes. */
const buildCheck: Check<Workshop> = {
  name: 'README, building the addon',
  run(workshop) {
    const project = installed(workshop, 'build');
    for (const line of lines('build')) project.run(line);
    project.prints('tessera-torch/build/Release/tessera.node', 'npx tessera-torch doctor');
  },
};

/** Every command and program of the README, under each package manager. */
export const readmeChecks: readonly Check<Workshop>[] = [...managers.map(readmeCheck), buildCheck];
