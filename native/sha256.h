/* SHA-256 (FIPS 180-4) of several messages at once: two in turn hide each other's latencies. */
#ifndef DLV_SHA256_H
#define DLV_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "dispatch.h"

#define SHA256_BYTES 32
#define SHA256_PREFIX_MAX 63

/*
 * Digests of `messages` messages, each the prefix (at most SHA256_PREFIX_MAX bytes) and then one
 * part of `length` bytes; 32 bytes each.
 */
void dlv_sha256_many(const uint8_t *prefix, size_t prefix_length, const uint8_t *const *parts,
                     uint32_t messages, size_t length, uint8_t *digests);

/*
 * A message that is not whole yet. Any content is safe to go on with: what is in `rest` follows from
 * `total`, so memory that JavaScript can write is good enough to hold it.
 */
typedef struct {
  uint32_t words[8];
  uint64_t total;
  uint8_t rest[64];
} sha256_state;

/* 1 where the processor has instructions for it: others are slower here than libraries of assembly. */
int dlv_hashes_fast(void);
void dlv_sha256_start(sha256_state *s);
void dlv_sha256_update(sha256_state *s, const uint8_t *bytes, size_t length);
/* Both in turn, as far as both go. */
void dlv_sha256_update_two(sha256_state *s, const uint8_t *bytes, size_t length, sha256_state *t,
                           const uint8_t *others, size_t other_length);
/* The digest, 32 bytes. The state is not changed. */
void dlv_sha256_digest(const sha256_state *s, uint8_t *digest);

extern const uint32_t sha256_constants[64];
#ifdef DLV_X86
int dlv_has_sha(void);
void sha256_one_x86(uint32_t *state, const uint8_t *blocks, size_t count);
void sha256_two_x86(uint32_t *state_a, uint32_t *state_b, const uint8_t *a, const uint8_t *b,
                    size_t count);
#endif

#endif
