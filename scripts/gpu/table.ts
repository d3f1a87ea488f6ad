// `scripts/gpu-check table`: the measurements so far. Needs neither the addon nor libtorch.
import { printTable } from './results.js';

printTable(process.argv.includes('--tiny'));
