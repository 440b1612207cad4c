/* Which instruction sets may be used, decided at run time, and the loops written for them. */
#ifndef DLV_DISPATCH_H
#define DLV_DISPATCH_H

#include <stdint.h>

#include "bulk.h"
#include "rans.h"

/*
 * Decodes whole rounds of 64 lanes from symbol `i` on while *at ≤ last, where RANS_ROUND_BYTES may
 * be looked at; moves *at and the states. Returns the index of the next symbol.
 */
typedef uint32_t rans_decode_rounds(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                                    uint32_t i, uint32_t n, uint32_t *states,
                                    const uint32_t *entries, uint8_t *out);

/*
 * Encodes rounds of 64 lanes from symbol `i` (a multiple of 64) down to 0. Words go down from `at`,
 * below which 16 bytes more than all words are free. Returns where the words begin.
 */
typedef uint8_t *rans_encode_rounds(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                                    uint32_t *states, const rans_symbol *symbols, uint8_t *at);

#ifdef __wasm_simd128__
rans_decode_rounds rans_decode_wasm;
rans_encode_rounds rans_encode_wasm;
#endif

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DLV_X86 1

/* 0 if dlv_force_portable is on. */
int dlv_simd_allowed(void);
int dlv_has_avx2(void);
/* AVX-512 with the byte permutations of VBMI and VBMI2, and VNNI (Ice Lake, Zen 4 and later). */
int dlv_has_avx512(void);

rans_decode_rounds rans_decode_avx2, rans_decode_avx512;
rans_encode_rounds rans_encode_avx2, rans_encode_avx512;
/* Rounds of two blocks side by side, as long as both have some that may be looked at; how many symbols. */
uint32_t rans_decode_two_avx512(const rans_block *a, const rans_block *b);
/* The same from symbol 0 on and down to it, with AVX-512, for planes with `likely` symbols. */
uint32_t rans_decode_likely(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                            uint32_t n, uint32_t *states, const uint32_t *entries,
                            rans_likely *likely, uint8_t *out);
uint8_t *rans_encode_likely(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                            uint32_t *states, const rans_symbol *symbols, rans_likely *likely,
                            uint8_t *at);

/* planes.h with AVX2. */
void split_avx2(const uint8_t *bytes, uint32_t count, uint32_t width, uint8_t *const *planes);
void merge_avx2(const uint8_t *const *planes, uint32_t count, uint32_t width, uint8_t *bytes);
void digits_avx2(int transform, const uint8_t *const *child, const uint8_t *const *base,
                 uint32_t width, uint32_t n, uint8_t *const *out);
void undigits_avx2(int transform, uint8_t *const *planes, const uint8_t *const *base,
                   uint32_t planes_count, uint32_t n);

/* bulk.h with SIMD. Those that answer how many do whole groups; the last two move their pointer. */
void bulk_classes_avx2(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                       const bulk_cut *cut, uint8_t *out);
void bulk_classes_vbmi(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                       const bulk_cut *cut, uint8_t *out);
uint32_t bulk_map_above_avx2(const uint8_t *above, uint32_t n, const bulk_map *map,
                             uint8_t *classes);
bulk_extremes bulk_extremes_avx2(const uint8_t *bytes, uint32_t n);
uint32_t bulk_mask_avx2(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                        uint32_t n, uint8_t *mask);
/*
 * bulk_count_rows for n ÷ 64 whole groups of which hardly any symbol is not 0. Answers 0, with nothing counted,
 * if many are not.
 */
int bulk_count_rare_avx512(const uint8_t *bytes, const uint8_t *rows, uint32_t n,
                           uint32_t row_count, uint32_t *counts);
uint32_t bulk_compact_avx512(const uint8_t *plane, const uint8_t *mask, uint32_t n, uint8_t **out);
uint32_t bulk_expand_avx512(const uint8_t **values, const uint8_t *base, const uint8_t *mask,
                            uint32_t n, uint8_t *out);
#endif

#endif
