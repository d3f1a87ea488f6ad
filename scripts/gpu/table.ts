// `scripts/gpu-check table`: what was measured so far. It needs neither the addon nor libtorch.
import { printTable } from './results.js';

printTable(process.argv.includes('--tiny'));
