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

extern const uint32_t sha256_constants[64];
#ifdef DLV_X86
int dlv_has_sha(void);
void sha256_one_x86(uint32_t *state, const uint8_t *blocks, size_t count);
void sha256_two_x86(uint32_t *state_a, uint32_t *state_b, const uint8_t *a, const uint8_t *b,
                    size_t count);
#endif

#endif
