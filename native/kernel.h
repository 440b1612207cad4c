/*
 * dlv kernel: byte planes, deltas, static rANS. Public C interface.
 *
 * One core with two interfaces: N-API in addon/, WebAssembly in wasm.c. Choices are made by integer
 * arithmetic alone, so that every build writes the same bytes. Every decoder is safe on hostile input:
 * it returns a negative error and never reads or writes outside the given ranges. That holds for
 * encoder and decoder even if other threads change planes and payloads meanwhile; only the head must
 * stay as it is while it is decoded.
 *
 * Bytes: docs/format/codec.md, codecs 2 and 3.
 */
#ifndef DLV_KERNEL_H
#define DLV_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define DLV_WIDTH_MAX 8
/* Elements of one segment: lib/base/limits.ts SEGMENT_ELEMENTS. */
#define DLV_SEGMENT_ELEMENTS (1u << 22)
/* Room that a head can take at most: class maps and tables of 8 planes and a mask. */
#define DLV_HEAD_BYTES_MAX (256u * 1024u)

/* Errors; each call returns one of them or a count ≥ 0. */
#define DLV_OK 0
#define DLV_ERR_ARGUMENT (-1) /* sizes that no caller may pass */
#define DLV_ERR_MEMORY (-2)
#define DLV_ERR_CORRUPT (-3) /* bytes that contradict themselves */
#define DLV_ERR_BASE (-4)    /* the head needs a base and none was given */
#define DLV_ERR_ABORTED (-5)
#define DLV_ERR_CHANGED (-6) /* planes were changed while they were encoded */
#define DLV_ERR_DIFFERS (-7) /* a segment decodes to other planes than those it was made of */

/* How a segment is written. */
enum { DLV_LEVEL_FAST = 0, DLV_LEVEL_DEFAULT = 1, DLV_LEVEL_MAX = 2 };

/* A growing byte buffer that the kernel owns until dlv_encoded_free, unless its memory is lent. */
typedef struct {
  uint8_t *bytes;
  size_t length;
  size_t capacity;
  int lent;
} dlv_buffer;

/* Head and class payloads of an encoded segment. All zero before it is encoded, or memory is lent or shared. */
typedef struct {
  dlv_buffer head;
  dlv_buffer classes[3];    /* hi, mid, low */
  const uint8_t *shared[3]; /* of each class, the plane that its payload may be itself; or NULL */
  int uses_base;
} dlv_encoded;

/*
 * Encodes `count` elements given as `width` planes, plane 0 most significant.
 * base: planes of the base, or NULL. no_prefix: allow deltas that are exact only when read whole.
 * aborted: looked at between planes, may be NULL.
 */
int dlv_segment_encode(const uint8_t *const *planes, const uint8_t *const *base, uint32_t count,
                       uint32_t width, int level, int no_prefix, const volatile int32_t *aborted,
                       dlv_encoded *out);
void dlv_encoded_free(dlv_encoded *encoded);
/*
 * Lends count · width bytes, which payloads are written to: each class at the place of its planes. One
 * that takes more than its planes do gets memory of its own (`lent` is 0 then).
 */
void dlv_encoded_lend(dlv_encoded *encoded, uint8_t *room, uint32_t count, uint32_t width);
/*
 * Allows that plane k of the child is not copied where it is stored as it is and is all that its class has: the
 * payload is the memory of the plane then, which is to stay as long. `bytes` of the class is `shared`.
 */
void dlv_encoded_share(dlv_encoded *encoded, const uint8_t *plane, uint32_t k, uint32_t width);

/* Planes that have to be decoded to know the leading `wanted` exactly; negative on a damaged head. */
int dlv_segment_stop(const uint8_t *head, size_t head_length, uint32_t width, uint32_t wanted);

/*
 * Leading planes of the base that the least stop of at least `wanted` planes is made of, 0 for none;
 * negative on a damaged head.
 */
int dlv_segment_base_planes(const uint8_t *head, size_t head_length, uint32_t width,
                            uint32_t wanted);

/*
 * Decodes the leading `wanted` planes (a stop) into planes[0 … wanted − 1], `count` bytes each.
 * classes: hi, mid, low; those that hold no wanted plane may be empty. base: `base_planes` planes.
 */
int dlv_segment_decode(const uint8_t *head, size_t head_length, const uint8_t *const *classes,
                       const size_t *class_lengths, const uint8_t *const *base,
                       uint32_t base_planes, uint32_t count, uint32_t width, uint32_t wanted,
                       uint8_t *const *planes);

/* Head and payloads (hi, mid, low) of a segment, to be read. */
typedef struct {
  const uint8_t *head;
  size_t head_length;
  const uint8_t *const *classes;
  const size_t *class_lengths;
} dlv_coded;

/*
 * Decodes a segment and compares it with all `width` planes that it was made of, in blocks where it can:
 * DLV_OK, or DLV_ERR_DIFFERS. base: as many planes, or NULL.
 */
int dlv_segment_verify(const dlv_coded *coded, const uint8_t *const *base, uint32_t count,
                       uint32_t width, const uint8_t *const *planes);

/* Splits little-endian elements into planes, and back. */
void dlv_split(const uint8_t *bytes, uint32_t count, uint32_t width, uint8_t *const *planes);
void dlv_merge(const uint8_t *const *planes, uint32_t count, uint32_t width, uint8_t *bytes);

/* Which code runs: "avx512", "avx2" or "portable"; dlv_force_portable(1) switches SIMD off. */
const char *dlv_isa(void);
void dlv_force_portable(int on);
/* Leaves AVX2 as the best path: for measurements and tests. */
void dlv_forbid_avx512(int on);

#endif
