/** Bundles a program with the package marked external, which works, and without, which must say what to do. */
import type { Check } from './checks.js';
import { installed, type Project, type Workshop } from './project.js';
import { ESM } from './programs.js';

interface Bundler {
  name: string;
  packages: readonly string[];
  /** Bundles `main.mjs` into the file that it returns. */
  bundle(project: Project, external: boolean): string;
}

const esbuild = (format: 'esm' | 'cjs'): Bundler => ({
  name: `esbuild, ${format}`,
  packages: ['esbuild@0.28'],
  bundle(project, external) {
    const out = `out/${String(external)}.${format === 'esm' ? 'mjs' : 'cjs'}`;
    const mark = external ? '--external:tessera-torch' : '';
    project.run(
      `npx esbuild main.mjs --bundle --platform=node --format=${format} ${mark} --outfile=${out} --log-level=error`,
    );
    return out;
  },
});

const rollup: Bundler = {
  name: 'Rollup',
  packages: ['rollup@4', '@rollup/plugin-node-resolve', '@rollup/plugin-commonjs', '@rollup/plugin-json'],
  bundle(project, external) {
    const out = `out/${String(external)}.mjs`;
    project.write(
      'rollup.config.mjs',
      `import node from '@rollup/plugin-node-resolve';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
export default {
  input: 'main.mjs',
  output: { file: '${out}', format: 'esm', inlineDynamicImports: true },
  external: ${external ? "['tessera-torch']" : '[]'},
  plugins: [node({ preferBuiltins: true, exportConditions: ['node'] }), commonjs(), json()],
  onwarn() {},
};
`,
    );
    project.run('npx rollup --config');
    return out;
  },
};

const webpack: Bundler = {
  name: 'webpack',
  packages: ['webpack@5', 'webpack-cli'],
  // It has no loader for sharp's binary; what it wrote by then says our words when it runs.
  bundle(project, external) {
    const externals = external ? "{ 'tessera-torch': 'commonjs tessera-torch' }" : '{}';
    project.write(
      'webpack.config.mjs',
      `export default { mode: 'development', target: 'node', entry: './main.mjs', externals: ${externals},
  output: { path: process.cwd() + '/out', filename: '${String(external)}.cjs' } };\n`,
    );
    project.run(`npx webpack${external ? '' : ' || true'}`);
    return `out/${String(external)}.cjs`;
  },
};

/** Vite for the server, where everything is bundled that is not external. */
const vite: Bundler = {
  name: 'Vite',
  packages: ['vite@7'],
  bundle(project, external) {
    const outDir = `out/${String(external)}`;
    const [list, inputs] = external ? ["['tessera-torch']", "{ external: ['tessera-torch'] }"] : ['[]', '{}'];
    project.write(
      'vite.config.mjs',
      `export default { build: { ssr: 'main.mjs', outDir: '${outDir}', rollupOptions: ${inputs} },
  ssr: { noExternal: true, external: ${list} } };\n`,
    );
    project.run('npx vite build');
    return `${outDir}/main.js`;
  },
};

const newerVite: Bundler = { ...vite, name: 'Vite 8', packages: ['vite@8'] };

function bundlerCheck({ name, packages, bundle }: Bundler): Check<Workshop> {
  return {
    name: `${name}, external and not`,
    run(workshop) {
      const project = installed(workshop, `bundle-${name.replace(/\W+/g, '-')}`, packages);
      project.write('main.mjs', ESM);
      project.prints('trained', `node ${bundle(project, true)}`);
      project.prints(/was put into a bundle[^]*--external:tessera-torch/, `node ${bundle(project, false)}`, {
        code: 1,
      });
    },
  };
}

/** Each bundler twice: as the README says, and as it warns of. */
export const bundlerChecks: readonly Check<Workshop>[] = [
  esbuild('esm'),
  esbuild('cjs'),
  rollup,
  webpack,
  vite,
  newerVite,
].map(bundlerCheck);
