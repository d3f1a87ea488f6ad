// Tests like those of `npm test` that take too long for it; `npm run test:long -- suite` runs them.
import config from '../../ava.config.mjs';

// oxlint-disable-next-line import/no-default-export -- where AVA looks
export default { ...config, files: ['tests/long/suite/*.test.ts'] };
