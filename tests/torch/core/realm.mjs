// Loads the package inside a context of its own, as test runners do (vitest's vmThreads, Jest), and uses it there.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';

const entry = fileURLToPath(new URL('../../../dist/index.js', import.meta.url));
const { console, process, performance, setTimeout, clearTimeout, structuredClone, URL: Url } = globalThis;
const context = vm.createContext({
  console,
  process,
  performance,
  setTimeout,
  clearTimeout,
  structuredClone,
  URL: Url,
});
const modules = new Map();

/** A module of the package in the context; everything else comes from outside, as the runners do it. */
function load(specifier, from) {
  const key = specifier.startsWith('.') ? resolve(dirname(from), specifier) : specifier;
  if (!modules.has(key)) modules.set(key, key.startsWith('/') ? inside(key) : outside(key, from));
  return modules.get(key);
}

async function inside(path) {
  const identifier = pathToFileURL(path).href;
  const initializeImportMeta = (meta) => (meta.url = identifier);
  return new vm.SourceTextModule(await readFile(path, 'utf8'), { context, identifier, initializeImportMeta });
}

async function outside(specifier, from) {
  const path = specifier.startsWith('node:') ? specifier : createRequire(from).resolve(specifier);
  const namespace = await import(path);
  const set = function () {
    for (const name of Object.keys(namespace)) this.setExport(name, namespace[name]);
  };
  return new vm.SyntheticModule(Object.keys(namespace), set, { context });
}

const linker = (specifier, { identifier }) => load(specifier, fileURLToPath(identifier));
const root = await load(entry, entry);
await root.link(linker);
await root.evaluate();
const code = `({ torch }) => {
  const x = torch.ones([3]);
  {
    const mode = torch.noGrad();
    mode[Symbol.dispose]();
  }
  const sum = x.sum().item();
  x[Symbol.dispose]();
  return [sum, x.disposed, typeof Symbol.dispose];
}`;
console.log(JSON.stringify(vm.runInContext(code, context)(root.namespace)));
