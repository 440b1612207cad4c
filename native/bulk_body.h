/* Bodies of bulk.h that are compiled once for each instruction set. */
#ifndef DLV_BULK_BODY_H
#define DLV_BULK_BODY_H

#include <string.h>

#include "bulk.h"

#define BODY static inline __attribute__((always_inline))

BODY void classes_block(const uint8_t *restrict p0, const uint8_t *restrict p1, uint32_t shift,
                        uint32_t n, const bulk_cut *cut, uint8_t *restrict out) {
  uint8_t context[512];
  if (p1) {
    for (uint32_t i = 0; i < n; i++) context[i] = (uint8_t)(p0[i] << shift | p1[i] >> (8 - shift));
  } else {
    for (uint32_t i = 0; i < n; i++) context[i] = (uint8_t)(p0[i] << shift);
  }
  if (cut == 0) {
    memcpy(out, context, n);
    return;
  }
  memset(out, 0, n);
  for (uint32_t c = 0; c + 1 < cut->classes; c++) {
    const uint8_t last = cut->last[c];
    for (uint32_t i = 0; i < n; i++) out[i] = (uint8_t)(out[i] + (context[i] > last));
  }
}

BODY void classes_body(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                       const bulk_cut *cut, uint8_t *out) {
  uint32_t i = 0;
  /* A constant length lets the compiler leave out the loops for remainders. */
  for (; n - i >= 512; i += 512) classes_block(p0 + i, p1 ? p1 + i : 0, shift, 512, cut, out + i);
  if (i < n) classes_block(p0 + i, p1 ? p1 + i : 0, shift, n - i, cut, out + i);
}

BODY uint32_t mask_body(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                        uint32_t n, uint8_t *mask) {
  uint32_t changed = 0;
  for (uint32_t from = 0; from < n; from += 512) {
    const uint32_t part = n - from < 512 ? n - from : 512;
    uint8_t differs[512];
    memset(differs, 0, sizeof differs);
    for (uint32_t k = 0; k < width; k++) {
      const uint8_t *c = child[k] + from, *b = base[k] + from;
      for (uint32_t i = 0; i < part; i++) differs[i] |= c[i] ^ b[i];
    }
    for (uint32_t i = 0; i < 512; i++) differs[i] = differs[i] != 0;
    const uint32_t bytes = (part + 7) / 8;
    for (uint32_t i = 0; i < bytes; i++) {
      const uint8_t *d = differs + 8 * i;
      const uint32_t bits = d[0] | d[1] << 1 | d[2] << 2 | d[3] << 3 | d[4] << 4 | d[5] << 5 |
                            d[6] << 6 | (uint32_t)d[7] << 7;
      mask[from / 8 + i] = (uint8_t)bits;
      changed += (uint32_t)__builtin_popcount(bits);
    }
  }
  return changed;
}

#endif
