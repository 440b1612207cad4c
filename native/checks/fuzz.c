/*
 * Fuzzes the kernel under sanitizers: encodes random segments, damages head or payload, decodes;
 * encodes and decodes planes that another thread changes meanwhile; and computes (fuzz_compute.c).
 *
 *     cc -g -O1 -fsanitize=address,undefined … the core and this file
 *     ./fuzz <inputs> [seed]
 *
 * Built and run by native/checks/fuzz.mjs. Undamaged segments must come back as they were.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_compute.h"
#include "kernel.h"

static uint64_t state;

static uint32_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

static uint32_t below(uint32_t bound) { return next() % bound; }

/* A child and a base that differ as the shape says. */
static void make_planes(uint32_t shape, uint32_t width, uint32_t n, uint8_t **child,
                        uint8_t **base) {
  for (uint32_t k = 0; k < width; k++) {
    for (uint32_t i = 0; i < n; i++) {
      base[k][i] = (uint8_t)(k == 0 && shape != 3 ? 60 + below(6) : next());
      switch (shape) {
        case 0: child[k][i] = base[k][i]; break;
        case 1: child[k][i] = (uint8_t)(below(20) ? base[k][i] : next()); break;
        case 2: child[k][i] = (uint8_t)(k < 2 ? base[k][i] + (below(4) == 0) : next()); break;
        case 5: /* thirty values or so */
          child[k][i] = (uint8_t)((k == 0 ? below(30) : child[0][i]) * (k + 37u));
          break;
        case 4: child[k][i] = (uint8_t)(7 * k); break;
        default: child[k][i] = (uint8_t)next();
      }
    }
  }
}

/* Exactly sized copies, so that the sanitizer sees every read beyond an end. */
static uint8_t *copy(const uint8_t *bytes, size_t length) {
  uint8_t *fresh = malloc(length ? length : 1);
  if (length) memcpy(fresh, bytes, length);
  return fresh;
}

static int round_trip(uint32_t inputs_per_segment) {
  static const uint32_t WIDTHS[] = {1, 2, 4, 8};
  const uint32_t width = WIDTHS[below(4)];
  const uint32_t large = below(200);
  const uint32_t n = 1 + (large > 3   ? below(300)
                          : large > 0 ? 4000 + below(3000) /* level max looks at the plane above */
                                      : 30000 + below(40000));
  uint8_t *child[DLV_WIDTH_MAX], *base[DLV_WIDTH_MAX], *out[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) {
    child[k] = malloc(n);
    base[k] = malloc(n);
    out[k] = malloc(n);
  }
  make_planes(below(6), width, n, child, base);
  const uint8_t *const *under = below(4) ? (const uint8_t *const *)base : NULL;
  dlv_encoded e = {0};
  uint8_t *room = malloc((size_t)n * width);
  if (below(2)) dlv_encoded_lend(&e, room, n, width);
  const int shares = (int)below(2);
  for (uint32_t k = 0; k < width && shares; k++) dlv_encoded_share(&e, child[k], k, width);
  if (dlv_segment_encode((const uint8_t *const *)child, under, n, width, (int)below(3),
                         (int)below(2), NULL, &e)) {
    fprintf(stderr, "encoding failed\n");
    return 1;
  }
  const uint8_t *parts[4] = {e.head.bytes, e.classes[0].bytes, e.classes[1].bytes,
                             e.classes[2].bytes};
  const size_t lengths[4] = {e.head.length, e.classes[0].length, e.classes[1].length,
                             e.classes[2].length};
  int failed = 0;
  for (uint32_t i = 0; i <= inputs_per_segment && !failed; i++) {
    uint8_t *p[4];
    size_t l[4];
    for (int c = 0; c < 4; c++) {
      l[c] = lengths[c];
      p[c] = copy(parts[c], l[c]);
    }
    if (i > 0) {
      const uint32_t which = below(3) ? 0 : below(4);
      for (uint32_t damage = 1 + below(3); damage > 0 && l[which] > 0; damage--) {
        const size_t at = below((uint32_t)l[which]);
        if (below(8) == 0) l[which] = at;
        else p[which][at] = (uint8_t)(below(2) ? next() : p[which][at] ^ (1u << below(8)));
      }
      uint8_t *exact = copy(p[which], l[which]);
      free(p[which]);
      p[which] = exact;
    }
    uint32_t wanted = 1 + below(width);
    const int stop = dlv_segment_stop(p[0], l[0], width, wanted);
    if (stop > 0) {
      wanted = (uint32_t)stop;
      const uint8_t *const classes[3] = {p[1], p[2], p[3]};
      const size_t class_lengths[3] = {l[1], l[2], l[3]};
      const int needed = dlv_segment_base_planes(p[0], l[0], width, wanted);
      const uint32_t given = below(50) ? (uint32_t)needed : below(width + 1);
      const int result = dlv_segment_decode(p[0], l[0], classes, class_lengths,
                                            below(50) ? under : NULL, given, n, width, wanted, out);
      if (i == 0 && result != DLV_ERR_BASE) {
        failed = result != DLV_OK;
        for (uint32_t k = 0; k < wanted && !failed; k++) failed = memcmp(child[k], out[k], n) != 0;
        if (failed) fprintf(stderr, "width %u, %u elements: not lossless\n", width, n);
      }
    } else if (i == 0) {
      failed = 1;
    }
    for (int c = 0; c < 4; c++) free(p[c]);
  }
  dlv_encoded_free(&e);
  free(room);
  for (uint32_t k = 0; k < width; k++) {
    free(child[k]);
    free(base[k]);
    free(out[k]);
  }
  return failed;
}

/* Planes that a thread changes until it is told to stop. */
typedef struct {
  uint8_t **planes;
  uint32_t count;
  uint32_t n;
  uint64_t seed;
  int stop;
} changing;

static void *change(void *data) {
  changing *c = data;
  uint64_t x = c->seed;
  while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
    x = x * 6364136223846793005ull + 1442695040888963407ull;
    volatile uint8_t *plane = c->planes[(x >> 33) % c->count];
    /* Values that no table has, in runs: each may cost a stream more than its symbols are worth. */
    const uint32_t from = (uint32_t)(x >> 40) % c->n;
    const uint32_t run = 1 + (uint32_t)(x >> 20) % 4096;
    for (uint32_t i = from; i < c->n && i < from + run; i++) plane[i] = (uint8_t)(x >> 56);
  }
  return NULL;
}

/* Nothing is known of what comes out, only that nothing is read or written outside. */
static int change_meanwhile(void) {
  const uint32_t width = 4, n = 40000 + below(200000);
  uint8_t *planes[2 * DLV_WIDTH_MAX], *out[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < 2 * width; k++) planes[k] = malloc(n);
  for (uint32_t k = 0; k < width; k++) out[k] = malloc(n);
  make_planes(below(6), width, n, planes, planes + width);
  changing c = {planes, 2 * width, n, next(), 0};
  pthread_t thread;
  if (pthread_create(&thread, NULL, change, &c)) return 1;
  int failed = 0;
  for (int i = 0; i < 6 && !failed; i++) {
    const uint8_t *const *child = (const uint8_t *const *)planes;
    dlv_encoded e = {0};
    const int result = dlv_segment_encode(child, below(3) ? child + width : NULL, n, width, i % 3,
                                          (int)below(2), NULL, &e);
    failed = result != DLV_OK && result != DLV_ERR_CHANGED;
    if (result == DLV_OK) {
      const uint8_t *const classes[3] = {e.classes[0].bytes, e.classes[1].bytes,
                                         e.classes[2].bytes};
      const size_t lengths[3] = {e.classes[0].length, e.classes[1].length, e.classes[2].length};
      dlv_segment_decode(e.head.bytes, e.head.length, classes, lengths, child + width, width, n,
                         width, width, out);
    }
    dlv_encoded_free(&e);
  }
  __atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
  pthread_join(thread, NULL);
  for (uint32_t k = 0; k < 2 * width; k++) free(planes[k]);
  for (uint32_t k = 0; k < width; k++) free(out[k]);
  if (failed) fprintf(stderr, "encoding of changing planes failed otherwise than by ERR_CHANGED\n");
  return failed;
}

/* Every so many segments, planes that change. */
#define CHANGING_EVERY 50u
/* The same for the arithmetic of training. */
#define COMPUTING_EVERY 2u

int main(int argc, char **argv) {
  const uint64_t inputs = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) : 88172645463325252ull;
  const uint32_t per_segment = 40;
  dlv_force_portable(0);
  for (uint64_t done = 0; done < inputs; done += per_segment) {
    if (done / per_segment % 2) {
      dlv_force_portable((int)below(2));
      dlv_forbid_avx512((int)below(2));
    }
    if (round_trip(per_segment)) return 1;
    if (done / per_segment % CHANGING_EVERY == 0 && change_meanwhile()) return 1;
    if (done / per_segment % COMPUTING_EVERY == 0 && fuzz_compute(below)) {
      fprintf(stderr, "arithmetic of training is wrong\n");
      return 1;
    }
  }
  printf("%llu inputs\n", (unsigned long long)inputs);
  return 0;
}
