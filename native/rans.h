/* Static rANS over bytes with up to 16 classes of tables; interleaved lanes, u16 renormalisation. */
#ifndef DLV_RANS_H
#define DLV_RANS_H

#include <stddef.h>
#include <stdint.h>

#define RANS_BITS 11
#define RANS_TOTAL (1u << RANS_BITS)
/* States lie in [2^15, 2^31): a signed 32-bit comparison tells when to renormalise. */
#define RANS_LOW (1u << 15)
#define RANS_CLASSES_MAX 16
#define RANS_LANES_SMALL 8
#define RANS_LANES_LARGE 64
/* Streams from this many symbols on use the larger number of lanes. */
#define RANS_LARGE_FROM 32768u
/* Most bytes that a round of 64 lanes takes or looks at. */
#define RANS_ROUND_BYTES 144u

/* Frequencies of one class; they add up to RANS_TOTAL. */
typedef struct {
  uint16_t freq[256];
} rans_table;

/*
 * What encoding one symbol takes: see Giesen, "Interleaved entropy coders" (arXiv 1402.3392).
 * Eight bytes, so that SIMD fetches a symbol with two neighbouring gathers.
 */
typedef struct {
  uint32_t reciprocal;
  uint32_t packed; /* RANS_TOTAL − freq | bias << 12 | shift << 24 */
} rans_symbol;

/* The next state, without renormalisation. */
static inline uint32_t rans_push(uint32_t x, rans_symbol s) {
  const uint32_t q = (uint32_t)(((uint64_t)x * s.reciprocal) >> 32) >> (s.packed >> 24);
  return x + (s.packed >> 12 & 0xfff) + q * (s.packed & 0xfff);
}

/* 1 if a state must give a word first: x ≥ freq << 20. */
static inline uint32_t rans_full(uint32_t x, rans_symbol s) {
  return (x >> 20) + (s.packed & 0xfff) >= RANS_TOTAL;
}

void rans_encoder(const rans_table *table, rans_symbol *symbols);
/* Decode entries: freq << 20 | (slot − start) << 8 | symbol, RANS_TOTAL of them. */
void rans_decoder(const rans_table *table, uint32_t *entries);

/*
 * Of each class, what symbol 0 has: for planes that hardly ever have another one. A round of 64 zeros needs no look
 * into large tables. Says nothing of what comes out, only how it is found.
 */
typedef struct {
  int worth; /* 0 for other planes, and once too many rounds have another symbol */
  uint32_t freq[RANS_CLASSES_MAX];
  uint32_t reciprocal[RANS_CLASSES_MAX];
  uint32_t packed[RANS_CLASSES_MAX];
} rans_likely;

void rans_find_likely(const rans_table *tables, uint32_t classes, rans_likely *likely);

/* A stream that is being written from its end to its beginning. */
typedef struct {
  uint32_t states[RANS_LANES_LARGE];
  uint32_t lanes;
  uint8_t *start;
  uint8_t *at;
  uint8_t *end;
} rans_writer;

/* Most symbols of a block. */
#define RANS_BLOCK_MAX (1u << 14)

/* Most bytes of a stream of n symbols. */
size_t rans_bound(uint32_t n);
/* Room that a stream of n symbols needs while it is written. */
size_t rans_room(uint32_t n);
/* Begins a stream of n symbols in the rans_room(n) bytes at out. */
void rans_begin(rans_writer *writer, uint32_t n, uint8_t *out);
/*
 * Encodes a block; the last block of the stream comes first. All blocks but the last one have a
 * multiple of 64 symbols. classes may be NULL (class 0); `symbols` holds 256 entries per class.
 * Returns −1 if the room is used up: the stream then has symbols that its tables do not have, as
 * when another thread changes bytes between counting and encoding.
 */
int rans_encode(rans_writer *writer, const uint8_t *bytes, const uint8_t *classes, uint32_t n,
                const rans_symbol *symbols, rans_likely *likely);
/* Bytes of the whole stream; 0 if it has symbols that its tables do not have. */
size_t rans_length(const rans_writer *writer);
/* Writes the stream: rans_length(writer) bytes at `out`, which is not where it was encoded. */
void rans_end(const rans_writer *writer, uint8_t *out);

/* A stream that is being read. */
typedef struct {
  uint32_t states[RANS_LANES_LARGE];
  uint32_t lanes;
  const uint8_t *at;
  const uint8_t *end;
} rans_reader;

/* Each returns 0, or −1 if the bytes are not what an encoder wrote. */
int rans_open(rans_reader *reader, const uint8_t *in, size_t length, uint32_t n);
/*
 * The next block of a stream: a multiple of 64 symbols unless it is the last one. `entries` holds
 * RANS_TOTAL per class; every class byte must be below the number of classes there.
 */
typedef struct {
  rans_reader *reader;
  const uint8_t *classes; /* NULL: class 0 */
  uint32_t n;
  const uint32_t *entries;
  rans_likely *likely;
  uint8_t *out;
} rans_block;

int rans_decode(const rans_block *block);
/* 1 if the block is decoded faster beside one of another stream: one does not wait for the tables of the other. */
int rans_has_pairs(const rans_block *block);
/* Decodes blocks of two streams. */
int rans_decode_two(const rans_block *a, const rans_block *b);
/* Checks that the stream is used up. */
int rans_close(const rans_reader *reader);

#endif
