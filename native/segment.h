/* What encoder and decoder of a segment share. */
#ifndef DLV_SEGMENT_H
#define DLV_SEGMENT_H

#include "buffer.h"
#include "planes.h"
#include "rans.h"

#define CODEC_RANS 2
#define FLAG_MASK 1

enum { MODE_CONST = 0, MODE_STORE = 1, MODE_RANS = 2 };
enum { CONTEXT_NONE = 0, CONTEXT_BASE = 1, CONTEXT_OWN = 2 };

/* Class of pack file that plane k of a width belongs to: 0 hi, 1 mid, 2 low. */
static inline uint32_t plane_class(uint32_t width, uint32_t k) {
  if (k < 2) return 0;
  if (width == 4) return k == 2 ? 1 : 2;
  return k < 4 ? 1 : 2;
}

/* Context bytes of the base: the 8 bits below the sign of an element, or the byte itself. */
static inline void base_contexts(const uint8_t *const *base, uint32_t width, uint32_t from,
                                 uint32_t n, const uint8_t *map, uint8_t *out) {
  const uint8_t *p0 = base[0] + from;
  if (width == 1) {
    for (uint32_t i = 0; i < n; i++) out[i] = map[p0[i]];
  } else {
    const uint8_t *p1 = base[1] + from;
    for (uint32_t i = 0; i < n; i++) out[i] = map[(uint8_t)(p0[i] << 1 | p1[i] >> 7)];
  }
}

/* Context bytes of a raw plane 1: the 7 bits below the sign in the element's own plane 0. */
static inline void own_contexts(const uint8_t *plane0, uint32_t from, uint32_t n,
                                const uint8_t *map, uint8_t *out) {
  for (uint32_t i = 0; i < n; i++) out[i] = map[(uint8_t)(plane0[from + i] << 1)];
}

#endif
