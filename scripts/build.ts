/** Builds the JavaScript in dist/. Run it, after the declarations, with: npm run build:ts */
import { join } from 'node:path';
import { packageRoot } from '../src/files/package.js';
import { bundle } from './bundle.js';

await bundle(join(packageRoot(), 'dist'));
