/* Numbers of tensors, and of how far one is from another: of planes, or of leading planes alone. */
#ifndef DLV_DRIFT_H
#define DLV_DRIFT_H

#include <stdint.h>

/* What the elements are: lib/pure/codec/drift.ts has the same order. */
enum {
  DRIFT_F32,
  DRIFT_F16,
  DRIFT_BF16,
  DRIFT_F64,
  DRIFT_I8,
  DRIFT_U8,
  DRIFT_I16,
  DRIFT_U16,
  DRIFT_I32,
  DRIFT_U32,
  DRIFT_KINDS
};

/* Sums stand as value and what was lost of it (Neumaier). */
enum {
  DRIFT_CHANGE = 0, /* (b − a)² over pairs of finite values, as all that follows but the counts */
  DRIFT_BEFORE = 2, /* a² */
  DRIFT_AFTER = 4, /* b² */
  DRIFT_DOT = 6, /* a·b */
  DRIFT_MAX = 8, /* |b − a| */
  DRIFT_MAX_LEAST, /* of leading planes: the same at least and at most */
  DRIFT_MAX_MOST,
  DRIFT_DIFFER, /* pairs whose known bytes differ; 0 unless both are of one kind */
  DRIFT_FLIPS, /* pairs of opposite signs, neither of them 0 */
  DRIFT_ODD, /* pairs of which one is not finite */
  DRIFT_FIELDS
};

enum {
  WEIGH_SUM = 0,
  WEIGH_ABSOLUTE = 2,
  WEIGH_SQUARE = 4,
  WEIGH_FOURTH = 6,
  WEIGH_LEAST = 8, /* of finite values; the caller begins with infinities */
  WEIGH_MOST,
  WEIGH_ZEROS,
  WEIGH_NANS,
  WEIGH_INFINITIES,
  WEIGH_FIELDS
};

/* Bins of a histogram: sign, exponent and two bits of the mantissa of the value as a double. */
#define WEIGH_BINS 16384u

/* Bytes of an element of a kind; 0 for a number that is none. */
uint32_t dlv_kind_width(uint32_t kind);

/*
 * Adds `count` pairs to `state` (DRIFT_FIELDS numbers, zeros at first). a, b: leading planes of their
 * elements, `a_planes` and `b_planes` of them. Bytes that are not known count as the middle of what they
 * can be, and a float of exponent 0 as 0. Only the last call may have a count that is no multiple of
 * 1,024: all builds give the same numbers then, however the tensor is cut.
 */
void dlv_drift(const uint8_t *const *a, uint32_t a_planes, uint32_t a_kind, const uint8_t *const *b,
               uint32_t b_planes, uint32_t b_kind, uint32_t count, double *state);

/* Adds `count` elements to `state` (WEIGH_FIELDS) and, unless it is NULL, to WEIGH_BINS bins. */
void dlv_weigh(const uint8_t *const *planes, uint32_t known, uint32_t kind, uint32_t count,
               double *state, uint32_t *bins);

#endif
