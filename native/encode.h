/* The two halves of the encoder: a segment (encode.c) and one plane of it (encode_plane.c). */
#ifndef DLV_ENCODE_H
#define DLV_ENCODE_H

#include "segment.h"

typedef struct {
  uint32_t width;
  uint32_t count; /* elements that are coded: all, or the changed ones */
  int level;
  int transform; /* of the body that was written last */
  const uint8_t *const *base; /* planes of the base at these elements, or NULL */
  dlv_encoded *out;
  /*
   * In a trial, the elements are a sample of `sampled` of `whole`. Nothing is written; `cost` adds up what
   * the planes would take, in 1/65536 bit. `whole` is 0 if this is not a trial.
   */
  uint32_t sampled;
  uint32_t whole;
  uint64_t cost;
  int defers; /* planes that are stored are named in the head alone */
  const volatile int32_t *aborted; /* may be NULL */
  uint32_t *counts;                /* 256 × 256 */
  uint16_t *parts;                 /* BULK_PARTS */
  uint8_t *classes;                /* BLOCK_ELEMENTS */
  rans_symbol *symbols;            /* RANS_CLASSES_MAX × 256 */
} encoder;

static inline int aborted_now(const encoder *e) { return e->aborted && *e->aborted; }

/*
 * Chooses how to write one plane of n bytes and writes it. may: the contexts that may be used, their
 * cut apart; above: the digits of the plane above, or NULL.
 */
int put_plane(encoder *e, const uint8_t *plane, uint32_t n, const contexts *may,
              const uint8_t *above, dlv_buffer *payload);

/* Where block b of a sample of `blocks` blocks begins. */
static inline uint32_t sample_from(uint32_t n, uint32_t block, uint32_t blocks, uint32_t b) {
  return blocks == 1 ? 0 : (uint32_t)((uint64_t)(n - block) * b / (blocks - 1));
}

#endif
