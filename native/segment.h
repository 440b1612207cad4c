/* What encoder and decoder of a segment share. */
#ifndef DLV_SEGMENT_H
#define DLV_SEGMENT_H

#include "buffer.h"
#include "bulk.h"
#include "planes.h"
#include "rans.h"

#define CODEC_RANS 2
/* The same, with differences of the leading planes alone: those below are the child's own. */
#define CODEC_RANS_OWN 3
/* Planes of a difference at least: contexts and 16-bit numbers take two. */
#define DIFFERENCES_MIN 2u
#define FLAG_MASK 1

enum { MODE_CONST = 0, MODE_STORE = 1, MODE_RANS = 2 };
enum { CONTEXT_NONE = 0, CONTEXT_BASE = 1, CONTEXT_OWN = 2, CONTEXT_ABOVE = 3 };
/* Elements whose classes are found at a time: they stay in the nearest cache. */
#define BLOCK_ELEMENTS RANS_BLOCK_MAX

/* Class of pack file that plane k of a width belongs to: 0 hi, 1 mid, 2 low. */
static inline uint32_t plane_class(uint32_t width, uint32_t k) {
  if (k < 2) return 0;
  if (width == 4) return k == 2 ? 1 : 2;
  return k < 4 ? 1 : 2;
}

/* 1 if no other plane belongs to the class of plane k. */
static inline int is_alone(uint32_t width, uint32_t k) {
  const uint32_t class = plane_class(width, k);
  if (k > 0 && plane_class(width, k - 1) == class) return 0;
  return k + 1 >= width || plane_class(width, k + 1) != class;
}

/* What the table of a symbol depends on, and the planes that tell it. */
typedef struct {
  int kind;
  uint32_t tables; /* 1 … RANS_CLASSES_MAX */
  bulk_cut cut;
  bulk_map map;         /* CONTEXT_ABOVE */
  const uint8_t *p0;    /* planes 0 and 1 of the base or of the element itself; */
  const uint8_t *p1;    /* p1 may be NULL and counts as 0 then */
  uint32_t shift;       /* context: p0 << shift | p1 >> (8 − shift), mod 256 */
  const uint8_t *above; /* CONTEXT_ABOVE: the digits of the plane above */
  int deep;             /* below planes 0 and 1 */
} contexts;

/* Contexts of n symbols from `from` on. */
static inline void find_contexts(const contexts *c, uint32_t from, uint32_t n, uint8_t *out) {
  bulk_classes(c->p0 + from, c->p1 ? c->p1 + from : NULL, c->shift, n, NULL, out);
}

/* Tables of n symbols from `from` on. */
static inline void find_classes(const contexts *c, uint32_t from, uint32_t n, uint8_t *out) {
  if (c->kind == CONTEXT_NONE) return;
  bulk_classes(c->p0 + from, c->p1 ? c->p1 + from : NULL, c->shift, n, &c->cut, out);
  if (c->kind == CONTEXT_ABOVE) bulk_map_above(c->above + from, n, &c->map, out);
}

/* Sets the planes of kind `kind` for plane k; 0 if they do not exist. */
static inline int set_planes(contexts *c, int kind, uint32_t width, uint32_t k,
                             const uint8_t *const *base, const uint8_t *const *own,
                             const uint8_t *above) {
  const uint8_t *const *from = kind == CONTEXT_OWN ? own : base;
  c->kind = kind;
  c->p0 = c->p1 = c->above = NULL;
  c->deep = k > 1;
  /* Of a float: the low 8 bits of its exponent, or all of it and the bits that follow. */
  c->shift = width == 1 ? 0 : width == 8 ? 4 : 1;
  if (kind == CONTEXT_NONE) return 1;
  if (from == NULL || (kind != CONTEXT_BASE && k == 0)) return 0;
  c->p0 = from[0];
  if (width > 1 && (kind != CONTEXT_OWN || k > 1)) c->p1 = from[1];
  c->above = above;
  return kind != CONTEXT_ABOVE || above != NULL;
}

#endif
