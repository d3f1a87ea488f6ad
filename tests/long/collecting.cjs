// Loaded into a process whose memory is watched, with --expose-gc: what the garbage collector would free counts as freed.
setInterval(() => globalThis.gc(), 500).unref();
