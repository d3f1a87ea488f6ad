/**
 * Loaded with `--import` into every process that the comparison starts: time does not pass, so that a run measures
 * held-out images at each logged step, where it otherwise does so only if that takes little of its time.
 */
performance.now = () => 0;
