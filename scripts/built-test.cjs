/**
 * Loads, for a test file that AVA names, the file that build-tests.mjs made of it. CommonJS, as AVA loads a TypeScript
 * file through `require`, which can be extended without another thread in every supported Node.
 */
const { join, relative } = require('node:path');
const { pathToFileURL } = require('node:url');

const root = join(__dirname, '..');

require.extensions['.ts'] = (module, path) => {
  const name = relative(root, path).replace(/\.ts$/, '.js');
  // A promise, which AVA awaits.
  module.exports = import(pathToFileURL(join(root, 'build', 'tested', name)).href);
};
