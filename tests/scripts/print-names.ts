/** Prints the names in the sources, which the tests themselves import from a bundle. */
import * as source from '../../src/index.js';
import { namesIn } from './names-in.js';

console.log(JSON.stringify(namesIn(source)));
