/* Which instruction sets may be used, decided at run time. */
#ifndef DLV_DISPATCH_H
#define DLV_DISPATCH_H

#include <stdint.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DLV_X86 1
int dlv_has_avx2(void);

/*
 * Decodes whole rounds of 64 lanes while enough words are left for any outcome; moves *at and the
 * states. Returns the number of symbols decoded.
 */
uint32_t rans_rounds_avx2(const uint8_t **at, const uint8_t *end, const uint8_t *classes,
                          uint32_t n, uint32_t *states, const uint32_t *entries, uint8_t *out);
#endif

#endif
