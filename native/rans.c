/* Static rANS: see rans.h. Symbol i belongs to lane i mod lanes; the decoder runs forward. */
#include "rans.h"

#include <string.h>

#include "dispatch.h"

void rans_normalize(const uint32_t *counts, rans_table *table) {
  uint64_t total = 0;
  for (int s = 0; s < 256; s++) total += counts[s];
  int64_t left = RANS_TOTAL;
  int largest = 0;
  for (int s = 0; s < 256; s++) {
    uint32_t freq = 0;
    if (counts[s]) {
      freq = (uint32_t)(((uint64_t)counts[s] * RANS_TOTAL + total / 2) / total);
      if (freq == 0) freq = 1;
      if (freq > RANS_TOTAL) freq = RANS_TOTAL;
    }
    table->freq[s] = (uint16_t)freq;
    left -= freq;
    if (counts[s] > counts[largest]) largest = s;
  }
  /* Rare symbols rounded up to 1 are paid for by the most frequent ones, a little by each. */
  while (left != 0) {
    int best = -1;
    uint64_t best_score = 0;
    for (int s = 0; s < 256; s++) {
      uint32_t freq = table->freq[s];
      if (freq == 0 || (left < 0 && freq <= 1)) continue;
      /* Cost of one unit is about count / freq: take where it is small, give where it is large. */
      uint64_t score = ((uint64_t)counts[s] << 20) / freq + 1;
      if (best < 0 || (left < 0 ? score < best_score : score > best_score)) {
        best = s;
        best_score = score;
      }
    }
    table->freq[best] = (uint16_t)(table->freq[best] + (left < 0 ? -1 : 1));
    left += left < 0 ? 1 : -1;
  }
}

void rans_encoder(const rans_table *table, rans_symbol *symbols) {
  uint32_t start = 0;
  for (int s = 0; s < 256; s++) {
    const uint32_t freq = table->freq[s];
    uint32_t shift = 0, bias = start;
    uint32_t reciprocal = 0xffffffffu;
    if (freq < 2) {
      bias = start + RANS_TOTAL - 1;
    } else {
      while (freq > (1u << shift)) shift++;
      reciprocal = (uint32_t)(((1ull << (shift + 31)) + freq - 1) / freq);
      shift--;
    }
    symbols[s].reciprocal = reciprocal;
    symbols[s].packed = (RANS_TOTAL - freq) | bias << 12 | shift << 24;
    start += freq;
  }
}

void rans_decoder(const rans_table *table, uint32_t *entries) {
  uint32_t slot = 0;
  for (uint32_t s = 0; s < 256; s++) {
    uint32_t freq = table->freq[s];
    for (uint32_t i = 0; i < freq; i++) entries[slot++] = freq << 20 | i << 8 | s;
  }
}

static uint32_t lanes_of(uint32_t n) {
  return n >= RANS_LARGE_FROM ? RANS_LANES_LARGE : RANS_LANES_SMALL;
}

size_t rans_bound(uint32_t n) {
  /* A symbol moves at most one u16; the states follow. */
  return (size_t)n * 2 + RANS_LANES_LARGE * 4;
}

static inline void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

size_t rans_encode(const uint8_t *bytes, const uint8_t *classes, uint32_t n,
                   const rans_symbol *symbols, uint8_t *out) {
  const uint32_t lanes = lanes_of(n);
  uint32_t states[RANS_LANES_LARGE];
  for (uint32_t lane = 0; lane < lanes; lane++) states[lane] = RANS_LOW;
  uint8_t *end = out + rans_bound(n);
  uint8_t *at = end;
  uint32_t rounds_from = 0;
#ifdef DLV_X86
  if (lanes == RANS_LANES_LARGE && dlv_has_avx2()) rounds_from = n & ~(RANS_LANES_LARGE - 1u);
#endif
  for (uint32_t i = n; i-- > rounds_from;) {
    const uint32_t class = classes ? classes[i] : 0;
    const rans_symbol symbol = symbols[class << 8 | bytes[i]];
    uint32_t x = states[i & (lanes - 1)];
    /* Written always, kept only if the state is too large: no branch to mispredict. */
    const uint32_t move = rans_full(x, symbol);
    put16(at - 2, x);
    at -= move * 2;
    states[i & (lanes - 1)] = rans_push(x >> move * 16, symbol);
  }
#ifdef DLV_X86
  if (rounds_from > 0) {
    rans_encode_rounds *rounds = dlv_has_avx512() ? rans_encode_avx512 : rans_encode_avx2;
    at = rounds(bytes, classes, rounds_from, states, symbols, at);
  }
#endif
  for (uint32_t lane = 0; lane < lanes; lane++) {
    put16(out + lane * 4, states[lane]);
    put16(out + lane * 4 + 2, states[lane] >> 16);
  }
  const size_t tail = (size_t)(end - at);
  memmove(out + lanes * 4, at, tail);
  return lanes * 4 + tail;
}

/* Symbols from `first` on, without SIMD; `at` is where the words go on. */
static int decode_scalar(const uint8_t *at, const uint8_t *end, const uint8_t *classes,
                         uint32_t first, uint32_t n, uint32_t lanes, uint32_t *states,
                         const uint32_t *entries, uint8_t *out) {
  for (uint32_t i = first; i < n; i++) {
    uint32_t x = states[i & (lanes - 1)];
    const uint32_t class = classes ? classes[i] : 0;
    const uint32_t entry = entries[class << RANS_BITS | (x & (RANS_TOTAL - 1))];
    out[i] = (uint8_t)entry;
    x = (entry >> 20) * (x >> RANS_BITS) + (entry >> 8 & 0xfff);
    if (x < RANS_LOW) {
      if (end - at < 2) return -1;
      x = x << 16 | at[0] | (uint32_t)at[1] << 8;
      at += 2;
    }
    states[i & (lanes - 1)] = x;
  }
  if (at != end) return -1;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    if (states[lane] != RANS_LOW) return -1;
  }
  return 0;
}

/* Rounds of any number of lanes without SIMD, and without a branch that depends on the data. */
static inline uint32_t plain_rounds(const uint8_t **at_inout, const uint8_t *last,
                                    const uint8_t *classes, uint32_t i, uint32_t n,
                                    const uint32_t lanes, uint32_t *states,
                                    const uint32_t *entries, uint8_t *out) {
  const uint8_t *at = *at_inout;
  for (; n - i >= lanes && at <= last; i += lanes) {
    for (uint32_t lane = 0; lane < lanes; lane++) {
      uint32_t x = states[lane];
      const uint32_t class = classes ? classes[i + lane] : 0;
      const uint32_t entry = entries[class << RANS_BITS | (x & (RANS_TOTAL - 1))];
      out[i + lane] = (uint8_t)entry;
      x = (entry >> 20) * (x >> RANS_BITS) + (entry >> 8 & 0xfff);
      /* 1 if the state is low; arithmetic that compilers do not turn into a branch. */
      const uint32_t low = (x - RANS_LOW) >> 31;
      const uint32_t word = at[0] | (uint32_t)at[1] << 8;
      states[lane] = x << (low << 4) | (word & (0u - low));
      at += low << 1;
    }
  }
  *at_inout = at;
  return i;
}

static uint32_t large_rounds(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                             uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                             uint8_t *out) {
  return plain_rounds(at, last, classes, i, n, RANS_LANES_LARGE, states, entries, out);
}

static uint32_t small_rounds(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                             uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                             uint8_t *out) {
  return plain_rounds(at, last, classes, i, n, RANS_LANES_SMALL, states, entries, out);
}

static rans_decode_rounds *rounds_of(uint32_t lanes) {
  if (lanes == RANS_LANES_SMALL) return small_rounds;
#ifdef DLV_X86
  if (dlv_has_avx512()) return rans_decode_avx512;
  if (dlv_has_avx2()) return rans_decode_avx2;
#endif
#ifdef __wasm_simd128__
  return rans_decode_wasm;
#else
  return large_rounds;
#endif
}

int rans_decode(const uint8_t *in, size_t length, const uint8_t *classes, uint32_t n,
                const uint32_t *entries, uint8_t *out) {
  const uint32_t lanes = lanes_of(n);
  if (length < (size_t)lanes * 4) return -1;
  uint32_t states[RANS_LANES_LARGE];
  for (uint32_t lane = 0; lane < lanes; lane++) {
    const uint8_t *p = in + lane * 4;
    states[lane] = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (states[lane] < RANS_LOW || states[lane] >= RANS_LOW << 16) return -1;
  }
  const uint8_t *at = in + lanes * 4;
  const uint8_t *end = in + length;
  rans_decode_rounds *rounds = rounds_of(lanes);
  uint32_t i = 0;
  if ((size_t)(end - at) >= RANS_ROUND_BYTES) {
    i = rounds(&at, end - RANS_ROUND_BYTES, classes, 0, n, states, entries, out);
  }
  /*
   * The last words are read from a copy with zeros behind it, so that a plane of almost no words is
   * not left to the loop that looks at each.
   */
  uint8_t copy[2 * RANS_ROUND_BYTES] = {0};
  const size_t left = (size_t)(end - at);
  if (left < RANS_ROUND_BYTES) {
    memcpy(copy, at, left);
    const uint8_t *from = copy;
    i = rounds(&from, copy + left, classes, i, n, states, entries, out);
    if (from > copy + left) return -1;
    at += from - copy;
  }
  return decode_scalar(at, end, classes, i, n, lanes, states, entries, out);
}
