/* Bodies of bulk.h that are compiled once for each instruction set. */
#ifndef DLV_BULK_BODY_H
#define DLV_BULK_BODY_H

#include <string.h>

#include "bulk.h"

#define BODY static inline __attribute__((always_inline))

/* Vectors of bytes. clang makes a long one of some registers side by side; gcc makes it slow. */
#ifndef BULK_VECTOR
#ifdef __wasm_simd128__
#define BULK_VECTOR 64
#else
#define BULK_VECTOR 16
#endif
#endif
typedef uint8_t bulk_bytes __attribute__((vector_size(BULK_VECTOR)));

BODY void classes_vector(const uint8_t *p0, const uint8_t *p1, uint32_t shift, const bulk_cut *cut,
                         uint8_t *out) {
  bulk_bytes context, low = {0};
  memcpy(&context, p0, sizeof context);
  if (p1) memcpy(&low, p1, sizeof low);
  if (shift == 1) {
    context = (context + context) - (bulk_bytes)(low > 127);
  } else if (shift == 4) {
    context = context << 4 | low >> 4;
  }
  bulk_bytes class = {0};
  for (uint32_t c = 0; cut && c + 1 < cut->classes; c++) {
    const bulk_bytes last = (bulk_bytes){0} + cut->last[c];
    class -= (bulk_bytes)(context > last);
  }
  memcpy(out, cut ? &class : &context, sizeof class);
}

BODY void classes_body(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                       const bulk_cut *cut, uint8_t *out) {
  uint32_t i = 0;
  for (; n - i >= BULK_VECTOR; i += BULK_VECTOR) {
    classes_vector(p0 + i, p1 ? p1 + i : 0, shift, cut, out + i);
  }
  if (i == n) return;
  uint8_t high[BULK_VECTOR] = {0}, low[BULK_VECTOR] = {0}, classes[BULK_VECTOR];
  memcpy(high, p0 + i, n - i);
  if (p1) memcpy(low, p1 + i, n - i);
  classes_vector(high, p1 ? low : 0, shift, cut, classes);
  memcpy(out + i, classes, n - i);
}

BODY bulk_extremes extremes_body(const uint8_t *bytes, uint32_t n) {
  uint8_t low = 255, high = 0, signed_low = 255, signed_high = 0;
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t b = bytes[i], turned = b ^ 0x80;
    low = b < low ? b : low;
    high = b > high ? b : high;
    signed_low = turned < signed_low ? turned : signed_low;
    signed_high = turned > signed_high ? turned : signed_high;
  }
  return (bulk_extremes){low, high, signed_low, signed_high};
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
