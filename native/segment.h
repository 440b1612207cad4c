/* What encoder and decoder of a segment share. */
#ifndef DLV_SEGMENT_H
#define DLV_SEGMENT_H

#include "buffer.h"
#include "bulk.h"
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

/* Classes by the base: the 8 bits below the sign of an element, or the byte itself. */
static inline void base_classes(const uint8_t *const *base, uint32_t width, uint32_t from,
                                uint32_t n, const bulk_cut *cut, uint8_t *out) {
  bulk_classes(base[0] + from, width == 1 ? NULL : base[1] + from, 1, n, cut, out);
}

#endif
