/** Uses the packages under loaders and test runners, also where these load the package more than once. */
import type { Check } from './checks.js';
import { installed, type Project, type Workshop } from './project.js';
import { TRAIN } from './programs.js';
import { nodeOf } from './runtime-checks.js';

/** Copies of the package's modules in one process must work on one set of tensors, or say that they cannot. */
const REFUSED = '[Cc]op(y|ies)';

const TYPED = `
import { nn, optim, torch, type Tensor } from 'tessera-torch';
${TRAIN.replace('{ torch, nn, optim }', '{ torch, nn, optim }: any').replace('const losses = []', 'const losses: any[] = []')}
const kept: Tensor = torch.ones([2]);
console.log(train({ torch, nn, optim }), kept.shape);
`;

/** In a project of ES modules, and in one of CommonJS, where tsx turns imports into `require`. */
const tsx: Check<Workshop> = {
  name: 'tsx',
  run(workshop) {
    for (const [name, manifest] of [
      ['tsx-modules', { type: 'module' }],
      ['tsx-commonjs', { type: 'commonjs' }],
    ] as const) {
      const project = installed(workshop, name, ['tsx@4'], manifest);
      project.write('train.ts', TYPED);
      project.prints('trained', 'npx tsx train.ts');
    }
  },
};

/** A CommonJS program under tsx that imports an ES module: two copies of the package. */
const tsxTwice: Check<Workshop> = {
  name: 'tsx, CommonJS with an ES module',
  run(workshop) {
    const project = installed(workshop, 'tsx-twice', ['tsx@4'], {});
    project.write(
      'other.mjs',
      "import { torch } from 'tessera-torch';\nexport const sum = () => torch.ones([3, 3]).sum().item();\n",
    );
    project.write(
      'main.ts',
      `const { torch } = require('tessera-torch');
       const before = torch.ones([2, 5]);
       import('./other.mjs').then(({ sum }) => {
         const shapes = [sum(), before.add(torch.ones([2, 5])).sum().item(), torch.ones([4, 2]).shape.join()];
         if (shapes.join() !== '9,20,4,2') throw new Error('wrong: ' + shapes);
         console.log('both right');
       }).catch((error) => { console.log(String(error)); process.exitCode = /${REFUSED}/.test(error) ? 0 : 1; });`,
    );
    project.run('npx tsx main.ts');
  },
};

const ava: Check<Workshop> = {
  name: 'ava',
  run(workshop) {
    const project = installed(workshop, 'ava', ['ava@7']);
    const one = `import test from 'ava';\nimport { nn, optim, torch } from 'tessera-torch';\n${TRAIN}
      test('trains', (t) => t.is(train({ torch, nn, optim }), 'trained'));`;
    for (const name of ['a', 'b']) project.write(`${name}.test.js`, one);
    project.run('npx ava');
    project.run('npx ava --no-worker-threads');
  },
};

/** A test of vitest's and Jest's, which share their words. */
function specs(project: Project, head: string): void {
  const body = `${head}
import { nn, optim, torch } from 'tessera-torch';
${TRAIN}
test('trains', () => expect(train({ torch, nn, optim })).toBe('trained'));
test('has a way to free tensors', () => {
  const x = torch.ones([2]);
  x[Symbol.dispose]();
  expect(x.disposed).toBe(true);
  torch.noGrad()[Symbol.dispose]();
});
`;
  for (const name of ['a', 'b', 'c']) project.write(`${name}.test.mjs`, body);
}

function vitest(major: string, version: string): Check<Workshop> {
  return {
    name: `vitest ${version} on Node ${major}`,
    run(workshop) {
      const node = nodeOf(workshop, major);
      const project = installed(workshop, `vitest-${version}-${major}`, [`vitest@${version}`]);
      specs(project, "import { expect, test } from 'vitest';");
      for (const pool of ['forks', 'threads', 'vmThreads', 'vmForks'])
        project.run(`${node} node_modules/vitest/vitest.mjs run --pool=${pool}`);
    },
  };
}

/** With the package put through vitest's own loader, each file has a copy of its own. */
const vitestInline: Check<Workshop> = {
  name: 'vitest, the package inlined',
  run(workshop) {
    const project = installed(workshop, 'vitest-inline', ['vitest@4']);
    specs(project, "import { expect, test } from 'vitest';");
    project.write(
      'vitest.config.mjs',
      "export default { test: { server: { deps: { inline: ['tessera-torch'] } }, pool: 'threads', isolate: false } };\n",
    );
    project.run('npx vitest run');
  },
};

const jest: Check<Workshop> = {
  name: 'Jest',
  run(workshop) {
    const project = installed(workshop, 'jest', ['jest@30'], {
      type: 'module',
      jest: {
        testMatch: ['**/*.test.mjs'],
        moduleFileExtensions: ['mjs', 'js', 'json', 'node'],
        transform: {},
      },
    });
    specs(project, '');
    const command = 'node --experimental-vm-modules node_modules/jest/bin/jest.js';
    project.run(`${command} --runInBand`);
    project.run(`${command} --workerThreads`);
  },
};

/** A registry that is emptied between tests: the package is loaded again in the same realm. */
const jestReset: Check<Workshop> = {
  name: 'Jest, resetModules',
  run(workshop) {
    const project = installed(workshop, 'jest-reset', ['jest@30'], {
      type: 'module',
      jest: {
        testMatch: ['**/*.test.mjs'],
        moduleFileExtensions: ['mjs', 'js', 'json', 'node'],
        transform: {},
      },
    });
    project.write(
      'a.test.mjs',
      `import { jest } from '@jest/globals';
test('a second copy gives the same values, or says that it cannot', async () => {
  const first = await import('tessera-torch');
  const x = first.torch.ones([2, 5]);
  jest.resetModules();
  let second;
  try {
    second = await import('tessera-torch');
  } catch (error) {
    expect(String(error)).toMatch(/${REFUSED}/);
    return;
  }
  expect(second.torch.ones([3, 3]).sum().item()).toBe(9);
  expect(x.add(first.torch.ones([2, 5])).sum().item()).toBe(20);
  expect(first.torch.ones([4, 2]).shape).toEqual([4, 2]);
});
`,
    );
    project.run('node --experimental-vm-modules node_modules/jest/bin/jest.js');
  },
};

/** Loaders and test runners. */
export const runnerChecks: readonly Check<Workshop>[] = [
  tsx,
  tsxTwice,
  ava,
  vitest('20', '4'),
  vitest('22', '5'),
  vitest('24', '5'),
  vitestInline,
  jest,
  jestReset,
];
