/* Decoding rounds of 64 lanes with WebAssembly SIMD: sixteen vectors of four states. */
#ifdef __wasm_simd128__
#include <wasm_simd128.h>

#include "dispatch.h"

/* For each mask of four lanes: the shuffle that gives each of them the next word, zero-extended. */
#define W0 0, 1
#define W1 2, 3
#define W2 4, 5
#define W3 6, 7
#define NO 0x80, 0x80
static const uint8_t WORDS[16][16] = {
    {NO, NO, NO, NO, NO, NO, NO, NO}, {W0, NO, NO, NO, NO, NO, NO, NO},
    {NO, NO, W0, NO, NO, NO, NO, NO}, {W0, NO, W1, NO, NO, NO, NO, NO},
    {NO, NO, NO, NO, W0, NO, NO, NO}, {W0, NO, NO, NO, W1, NO, NO, NO},
    {NO, NO, W0, NO, W1, NO, NO, NO}, {W0, NO, W1, NO, W2, NO, NO, NO},
    {NO, NO, NO, NO, NO, NO, W0, NO}, {W0, NO, NO, NO, NO, NO, W1, NO},
    {NO, NO, W0, NO, NO, NO, W1, NO}, {W0, NO, W1, NO, NO, NO, W2, NO},
    {NO, NO, NO, NO, W0, NO, W1, NO}, {W0, NO, NO, NO, W1, NO, W2, NO},
    {NO, NO, W0, NO, W1, NO, W2, NO}, {W0, NO, W1, NO, W2, NO, W3, NO}};

static inline v128_t pull(uint32_t *state, v128_t slots, const uint32_t *entries,
                          const uint8_t **at) {
  v128_t entry = wasm_v128_load32_zero(entries + wasm_i32x4_extract_lane(slots, 0));
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 1), entry, 1);
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 2), entry, 2);
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 3), entry, 3);
  const v128_t x = wasm_v128_load(state);
  const v128_t bias = wasm_v128_and(wasm_u32x4_shr(entry, 8), wasm_i32x4_splat(0xfff));
  const v128_t next = wasm_i32x4_add(
      wasm_i32x4_mul(wasm_u32x4_shr(entry, 20), wasm_u32x4_shr(x, RANS_BITS)), bias);
  const v128_t low = wasm_i32x4_lt(next, wasm_i32x4_splat(RANS_LOW));
  const uint32_t mask = wasm_i32x4_bitmask(low);
  const v128_t words =
      wasm_i8x16_swizzle(wasm_v128_load64_zero(*at), wasm_v128_load(WORDS[mask]));
  const v128_t fed = wasm_v128_or(wasm_i32x4_shl(next, 16), words);
  wasm_v128_store(state, wasm_v128_bitselect(fed, next, low));
  *at += 2 * (size_t)__builtin_popcount(mask);
  return wasm_v128_and(entry, wasm_i32x4_splat(0xff));
}

uint32_t rans_decode_wasm(const uint8_t **at_inout, const uint8_t *last, const uint8_t *classes,
                          uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                          uint8_t *out) {
  const uint8_t *at = *at_inout;
  const v128_t slot_mask = wasm_i32x4_splat(RANS_TOTAL - 1);
  for (; n - i >= 64 && at <= last; i += 64) {
    for (uint32_t v = 0; v < 64; v += 16) {
      v128_t symbols[4];
      for (uint32_t q = 0; q < 4; q++) {
        v128_t slots = wasm_v128_and(wasm_v128_load(states + v + 4 * q), slot_mask);
        if (classes) {
          const v128_t class = wasm_u32x4_extend_low_u16x8(
              wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(classes + i + v + 4 * q)));
          slots = wasm_v128_or(slots, wasm_i32x4_shl(class, RANS_BITS));
        }
        symbols[q] = pull(states + v + 4 * q, slots, entries, &at);
      }
      wasm_v128_store(out + i + v,
                      wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(symbols[0], symbols[1]),
                                              wasm_i16x8_narrow_i32x4(symbols[2], symbols[3])));
    }
  }
  *at_inout = at;
  return i;
}
#endif
