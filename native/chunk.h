/* Content-defined chunks: lib/base/bytes/chunker.ts is the oracle, docs/format/recipe.md the rule. */
#ifndef DLV_CHUNK_H
#define DLV_CHUNK_H

#include <stddef.h>
#include <stdint.h>

/* lib/base/limits.ts CDC_MIN_BYTES, CDC_TARGET_BYTES, CDC_MAX_BYTES. */
#define CHUNK_BYTES_MIN (32u * 1024u)
#define CHUNK_BYTES_TARGET (128u * 1024u)
#define CHUNK_BYTES_MAX (512u * 1024u)

/* Length of the first chunk of `length` bytes: all of them if no cut comes before their end. */
size_t dlv_cut_chunk(const uint8_t *bytes, size_t length);

#endif
