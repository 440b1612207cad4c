/* Blocks of LZ4: how short one can be at best. The format is in lib/base/bytes/lz4.ts. */
#ifndef DLV_ADDON_LZ4_H
#define DLV_ADDON_LZ4_H

#include <stddef.h>
#include <stdint.h>

/* Of more bytes nothing is said. */
#define LZ4_ASKED_MAX (16u * 1024u)

/*
 * Bytes that no block of `length` bytes is shorter than, whoever compresses them; 0 where there are more than
 * LZ4_ASKED_MAX.
 */
uint32_t lz4_bytes_min(const uint8_t *bytes, size_t length);

#endif
