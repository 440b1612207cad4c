/* Bodies of planes.h that are compiled once for each instruction set. */
#ifndef DLV_PLANES_BODY_H
#define DLV_PLANES_BODY_H

#include <string.h>

#include "kernel.h"
#include "planes.h"

#define BODY static inline __attribute__((always_inline))

BODY void split_body(const uint8_t *bytes, uint32_t count, uint32_t width, uint8_t *const *planes) {
  if (width == 1) {
    memcpy(planes[0], bytes, count);
  } else if (width == 2) {
    uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1];
    for (uint32_t i = 0; i < count; i++) {
      p1[i] = bytes[2 * (size_t)i];
      p0[i] = bytes[2 * (size_t)i + 1];
    }
  } else if (width == 4) {
    uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1];
    uint8_t *restrict p2 = planes[2], *restrict p3 = planes[3];
    for (uint32_t i = 0; i < count; i++) {
      const uint8_t *b = bytes + 4 * (size_t)i;
      p3[i] = b[0];
      p2[i] = b[1];
      p1[i] = b[2];
      p0[i] = b[3];
    }
  } else {
    for (uint32_t k = 0; k < width; k++) {
      const uint8_t *b = bytes + (width - 1 - k);
      for (uint32_t i = 0; i < count; i++) planes[k][i] = b[(size_t)i * width];
    }
  }
}

BODY void merge_body(const uint8_t *const *planes, uint32_t count, uint32_t width, uint8_t *bytes) {
  if (width == 1) {
    memcpy(bytes, planes[0], count);
  } else if (width == 2) {
    const uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1];
    for (uint32_t i = 0; i < count; i++) {
      bytes[2 * (size_t)i] = p1[i];
      bytes[2 * (size_t)i + 1] = p0[i];
    }
  } else if (width == 4) {
    const uint8_t *restrict p0 = planes[0], *restrict p1 = planes[1];
    const uint8_t *restrict p2 = planes[2], *restrict p3 = planes[3];
    for (uint32_t i = 0; i < count; i++) {
      uint8_t *b = bytes + 4 * (size_t)i;
      b[0] = p3[i];
      b[1] = p2[i];
      b[2] = p1[i];
      b[3] = p0[i];
    }
  } else {
    for (uint32_t k = 0; k < width; k++) {
      uint8_t *b = bytes + (width - 1 - k);
      for (uint32_t i = 0; i < count; i++) b[(size_t)i * width] = planes[k][i];
    }
  }
}

/* Digit = child − base mod 256. */
BODY void bytes_minus(const uint8_t *restrict a, const uint8_t *restrict b, uint32_t n,
                      uint8_t *restrict out) {
  for (uint32_t i = 0; i < n; i++) out[i] = (uint8_t)(a[i] - b[i]);
}

BODY void bytes_plus(uint8_t *restrict a, const uint8_t *restrict b, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) a[i] = (uint8_t)(a[i] + b[i]);
}

/* Two planes as one 16-bit number: balanced digits of child − base mod 2^16. */
BODY void pairs_minus(const uint8_t *restrict ah, const uint8_t *restrict al,
                      const uint8_t *restrict bh, const uint8_t *restrict bl, uint32_t n,
                      uint8_t *restrict high, uint8_t *restrict low) {
  /* In bytes, with the borrow and the carry of 0x80: vectors of bytes take half as many instructions. */
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t d = (uint8_t)(al[i] - bl[i]);
    const uint8_t borrow = al[i] < bl[i];
    high[i] = (uint8_t)(ah[i] - bh[i] - borrow + (d >> 7));
    low[i] = d;
  }
}

BODY void pairs_plus(uint8_t *restrict high, uint8_t *restrict low, const uint8_t *restrict bh,
                     const uint8_t *restrict bl, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t d = low[i];
    const uint8_t v = (uint8_t)(d + bl[i]);
    const uint8_t carry = v < d;
    high[i] = (uint8_t)(high[i] + bh[i] + carry - (d >> 7));
    low[i] = v;
  }
}

/* Four planes as one 32-bit number. */
BODY void quads_minus(const uint8_t *const *a, const uint8_t *const *b, uint32_t n,
                      uint8_t *const *out) {
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t x = (uint32_t)a[0][i] << 24 | a[1][i] << 16 | a[2][i] << 8 | a[3][i];
    const uint32_t y = (uint32_t)b[0][i] << 24 | b[1][i] << 16 | b[2][i] << 8 | b[3][i];
    const uint32_t d = (x - y + 0x00808080u) ^ 0x00808080u;
    out[0][i] = (uint8_t)(d >> 24);
    out[1][i] = (uint8_t)(d >> 16);
    out[2][i] = (uint8_t)(d >> 8);
    out[3][i] = (uint8_t)d;
  }
}

BODY void quads_plus(uint8_t *const *planes, const uint8_t *const *b, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t d =
        (uint32_t)planes[0][i] << 24 | planes[1][i] << 16 | planes[2][i] << 8 | planes[3][i];
    const uint32_t y = (uint32_t)b[0][i] << 24 | b[1][i] << 16 | b[2][i] << 8 | b[3][i];
    const uint32_t v = (d ^ 0x00808080u) - 0x00808080u + y;
    planes[0][i] = (uint8_t)(v >> 24);
    planes[1][i] = (uint8_t)(v >> 16);
    planes[2][i] = (uint8_t)(v >> 8);
    planes[3][i] = (uint8_t)v;
  }
}

BODY void digits_body(int transform, const uint8_t *const *child, const uint8_t *const *base,
                      uint32_t width, uint32_t n, uint8_t *const *out) {
  uint32_t k = 0;
  if (transform == DLV_SUB32) {
    quads_minus(child, base, n, out);
    return;
  }
  if (transform == DLV_SUB16 || transform == DLV_SUB16_FULL) {
    pairs_minus(child[0], child[1], base[0], base[1], n, out[0], out[1]);
    k = 2;
  }
  if (transform == DLV_SUB16_FULL) {
    pairs_minus(child[2], child[3], base[2], base[3], n, out[2], out[3]);
    k = 4;
  }
  for (; k < width; k++) bytes_minus(child[k], base[k], n, out[k]);
}

BODY void undigits_body(int transform, uint8_t *const *planes, const uint8_t *const *base,
                        uint32_t planes_count, uint32_t n) {
  uint32_t k = 0;
  if (transform == DLV_SUB32) {
    quads_plus(planes, base, n);
    return;
  }
  if (transform == DLV_SUB16 || transform == DLV_SUB16_FULL) {
    pairs_plus(planes[0], planes[1], base[0], base[1], n);
    k = 2;
  }
  if (transform == DLV_SUB16_FULL && planes_count > 2) {
    pairs_plus(planes[2], planes[3], base[2], base[3], n);
    k = 4;
  }
  for (; k < planes_count; k++) bytes_plus(planes[k], base[k], n);
}

#endif
