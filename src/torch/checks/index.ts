/** Registers all rules: see core/checks.ts. */
import './arguments.js';
import './counts.js';
import './linalg.js';
import './normalization.js';
import './recurrent.js';
import './sparse.js';
import './storage.js';
import './transformer.js';
import './windows.js';
