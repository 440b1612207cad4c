/* Segments that are decoded block by block, in the nearest caches. Start at segment_open. */
#ifndef DLV_READER_H
#define DLV_READER_H

#include "segment.h"

/*
 * The payload of a class: its bytes, or with NULL a file. `fill` then puts `length` bytes from `offset`
 * on, counted in the payload, into `to`; it answers 0 or an error of kernel.h. What is read of each
 * plane is asked for once and in order.
 */
typedef struct {
  const uint8_t *bytes;
  uint64_t length;
} payload;

typedef int payload_fill(void *file, uint32_t plane, uint64_t offset, uint8_t *to, size_t length);

/* A plane that is being decoded. */
typedef struct {
  uint8_t mode, value;
  contexts c; /* planes are set for each block */
  uint64_t start, length; /* in the payload of its class; 0 bytes for constants */
  uint64_t taken; /* of them, by the window */
  const uint8_t *bytes; /* the payload in memory, or NULL */
  uint32_t *entries; /* RANS_TOTAL for each table */
  rans_likely likely;
  uint8_t *window; /* what was read of a file and not decoded yet */
  rans_reader rans;
} plane_reader;

/* How a head starts. */
typedef struct {
  uint8_t transform;
  uint8_t flags;
  uint8_t differences; /* planes that are differences from the base's; DLV_WIDTH_MAX: all of them */
} head_start;

typedef struct {
  uint32_t width, count, wanted;
  int transform;
  uint32_t differences;
  payload classes[3];
  payload_fill *fill;
  void *file;
  plane_reader planes[DLV_WIDTH_MAX];
  uint8_t *rows; /* BLOCK_ELEMENTS */
} segment_reader;

/* Each answers 0 or DLV_ERR_CORRUPT. */
int head_read_start(dlv_input *head, head_start *start);
/* 1 if the transform, and the planes that are differences, are possible for elements of this width. */
int head_fits(const head_start *start, uint32_t width);
/* Planes of the base that the first `wanted` planes are made of. */
uint32_t head_base_planes(const head_start *start, uint32_t wanted);

/*
 * Reads what the rest of a head says of its planes. r: width, count, wanted (a stop), transform,
 * differences, classes and where they are filled from are set, all else is zero. has_base: the
 * planes are differences from a base, or have one for contexts. Call segment_end in any case.
 */
int reader_open(segment_reader *r, dlv_input *head, int has_base);
/* The next n elements of a reader, BLOCK_ELEMENTS unless they are the last, and where they go. */
typedef struct {
  segment_reader *r;
  uint32_t from, n;
  const uint8_t *const *base; /* planes of the base from the same element on, or NULL */
  uint8_t *const *out; /* out[0 … wanted − 1] */
  /* Zero at first: planes that are decoded, and the next one if it waits for one of another reader. */
  uint32_t done;
  int waits;
  rans_block next;
} reader_step;

/*
 * Decodes blocks of several readers, none of which takes what another one gives: coded planes of two go
 * side by side where that saves time.
 */
int reader_blocks(reader_step *const *steps, uint32_t count);
/* One block. */
int reader_block(segment_reader *r, uint32_t from, uint32_t n, const uint8_t *const *base,
                 uint8_t *const *out);
/* Checks that the payloads of coded planes are used up. */
int reader_close(const segment_reader *r);
/* Frees what the reader holds. */
void reader_end(segment_reader *r);
/* All blocks of a reader that is open, with base and out from element 0 on. */
int reader_all(segment_reader *r, const uint8_t *const *base, uint8_t *const *out);

/* One plane alone, in memory: of a mask, or of indices. Takes its bytes from `from`. */
int read_plane_alone(dlv_input *head, dlv_input *from, uint32_t n, uint8_t *out);

#endif
