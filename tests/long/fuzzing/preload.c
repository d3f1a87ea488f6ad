/*
 * Put in front of libc in the fuzz's child processes (fuzz.ts).
 *
 * libtorch looks its own function names up for every error, two milliseconds each that no one reads there: here
 * backtraces are empty.
 *
 * With FUZZ_GUARD set, aligned memory, which is what tensors are made of, lies between pages that cannot be touched and
 * is never used again: reading or writing beyond a tensor, or after its end, is a signal at that very instruction. The
 * rest of the last 64 bytes holds a pattern, looked at when the memory is freed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA (1ull << 42)
#define PAGE 4096ull
#define PATTERN 0xA5

static char *arena;
static char *next;
static int guarding = -1;
/* What was asked for, at the start of the page before the first usable one. */
struct header {
  size_t size;
};

int backtrace(void **frames, int size) {
  (void)frames;
  return size * 0;
}

static int guard(void) {
  if (guarding < 0) {
    guarding = getenv("FUZZ_GUARD") != NULL;
    if (guarding) {
      arena = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      next = arena;
      if (arena == MAP_FAILED) abort();
    }
  }
  return guarding;
}

static int ours(const void *pointer) {
  return guarding > 0 && (char *)pointer >= arena && (char *)pointer < arena + ARENA;
}

/* [header page] [guard page] [usable pages, the memory at their end] [guard page] */
static char *usable_end(const void *pointer, size_t size) {
  uintptr_t end = (uintptr_t)pointer + ((size + 63) & ~63ull);
  return (char *)end;
}

static size_t pages_for(size_t size) { return (((size + 63) & ~63ull) + PAGE - 1) / PAGE * PAGE; }

static void *guarded(size_t size) {
  size_t rounded = (size + 63) & ~63ull;
  if (rounded == 0) rounded = 64;
  size_t pages = pages_for(rounded);
  char *block = __atomic_fetch_add(&next, pages + 3 * PAGE, __ATOMIC_RELAXED);
  if (block + pages + 3 * PAGE > arena + ARENA) abort();
  if (mprotect(block, PAGE, PROT_READ | PROT_WRITE) != 0) return NULL;
  if (mprotect(block + 2 * PAGE, pages, PROT_READ | PROT_WRITE) != 0) return NULL;
  char *end = block + 2 * PAGE + pages;
  char *pointer = end - rounded;
  ((struct header *)block)->size = size;
  memset(block + 2 * PAGE, PATTERN, pages);
  return pointer;
}

static char *block_of(const void *pointer) { return (char *)((uintptr_t)pointer & ~(PAGE - 1)) - 2 * PAGE; }

static void release(void *pointer) {
  char *block = block_of(pointer);
  size_t size = ((struct header *)block)->size;
  char *end = size == 0 ? (char *)pointer + 64 : usable_end(pointer, size);
  for (char *at = (char *)pointer + size; at < end; at++) {
    if ((unsigned char)*at != PATTERN) {
      fprintf(stderr, "fuzz: written %ld bytes behind a tensor of %zu\n", (long)(at - (char *)pointer) - (long)size, size);
      abort();
    }
  }
  size_t pages = pages_for(size == 0 ? 64 : size);
  for (char *at = block + 2 * PAGE; at < (char *)pointer; at++) {
    if ((unsigned char)*at != PATTERN) {
      fprintf(stderr, "fuzz: written %ld bytes before a tensor of %zu\n", (long)((char *)pointer - at), size);
      abort();
    }
  }
  mmap(block, pages + 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  static int (*real)(void **, size_t, size_t);
  if (!real) real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  if (!guard() || alignment != 64 || size > (64ull << 20)) return real(result, alignment, size);
  *result = guarded(size);
  return *result ? 0 : ENOMEM;
}

void free(void *pointer) {
  static void (*real)(void *);
  if (ours(pointer)) {
    release(pointer);
    return;
  }
  if (!real) real = (void (*)(void *))dlsym(RTLD_NEXT, "free");
  real(pointer);
}

size_t malloc_usable_size(void *pointer) {
  static size_t (*real)(void *);
  /* More than the allocator keeps for the next tensor: every block is new. */
  if (ours(pointer)) return ((struct header *)block_of(pointer))->size + PAGE;
  if (!real) real = (size_t (*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
  return real(pointer);
}
