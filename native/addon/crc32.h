/* CRC-32 of zip and PNG, as zlib's: with carry-less multiplication where there is one. */
#ifndef DLV_CRC32_H
#define DLV_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those whose CRC is `crc`; 0 to begin with. */
uint32_t crc32_of(uint32_t crc, const uint8_t *bytes, size_t length);
/* Of two runs of bytes, one behind the other, by the CRC of each. */
uint32_t crc32_join(uint32_t first, uint32_t second, uint64_t second_length);

#endif
