/* Transforms between the planes of a child and those of its base: docs/format/plane.md. */
#ifndef DLV_PLANES_H
#define DLV_PLANES_H

#include <stdint.h>

enum {
  DLV_RAW = 0,        /* planes as they are */
  DLV_BSUB = 1,       /* each byte minus the base's, mod 256: every plane a stop from 2 on */
  DLV_SUB16 = 2,      /* planes 0 and 1 as one 16-bit number, the others as BSUB: stops 2, 3, … */
  DLV_SUB16_FULL = 3, /* fp32: two 16-bit numbers: stops 2 and 4 */
  DLV_SUB32 = 4,      /* fp32: one 32-bit number: stop 4 */
  DLV_SAME = 5,       /* the base itself */
  DLV_PALETTE = 6     /* few distinct values */
};

/* 1 if a transform is defined for elements of this width. */
int dlv_transform_fits(int transform, uint32_t width);
/* The least stop of at least `wanted` planes. */
uint32_t dlv_transform_stop(int transform, uint32_t width, uint32_t wanted);
/* Digits of child against base; not for RAW, SAME and PALETTE. */
void dlv_digits(int transform, const uint8_t *const *child, const uint8_t *const *base,
                uint32_t width, uint32_t n, uint8_t *const *out);
/* Planes of digits that are needed at once: where digits are of one byte, of a plane and the one above it. */
uint32_t dlv_digit_planes(int transform, uint32_t width);
/* Digits of plane k, after those of the planes above, where they do not come with these; none for RAW. */
void dlv_digits_of(int transform, const uint8_t *const *child, const uint8_t *const *base,
                   uint32_t width, uint32_t k, uint32_t n, uint8_t *const *out);
/* Turns `planes_count` (a stop) digit planes into child planes in place. */
void dlv_undigits(int transform, uint8_t *const *planes, const uint8_t *const *base,
                  uint32_t planes_count, uint32_t n);

#endif
