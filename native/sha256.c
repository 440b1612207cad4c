#include "sha256.h"

#include <string.h>

const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void one_plain(uint32_t *state, const uint8_t *p, size_t count) {
  for (; count > 0; count--, p += 64) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
      w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
             p[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
      const uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
      const uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
      const uint32_t e = s[4], a = s[0];
      const uint32_t choice = (e & s[5]) ^ (~e & s[6]);
      const uint32_t most = (a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]);
      const uint32_t t1 =
          s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + sha256_constants[i] + w[i];
      const uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + most;
      s[7] = s[6];
      s[6] = s[5];
      s[5] = s[4];
      s[4] = s[3] + t1;
      s[3] = s[2];
      s[2] = s[1];
      s[1] = s[0];
      s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
  }
}

static void one(uint32_t *state, const uint8_t *blocks, size_t count) {
#ifdef DLV_X86
  if (dlv_has_sha()) {
    sha256_one_x86(state, blocks, count);
    return;
  }
#endif
  one_plain(state, blocks, count);
}

static void two(uint32_t *state_a, uint32_t *state_b, const uint8_t *a, const uint8_t *b,
                size_t count) {
#ifdef DLV_X86
  if (dlv_has_sha()) {
    sha256_two_x86(state_a, state_b, a, b, count);
    return;
  }
#endif
  one_plain(state_a, a, count);
  one_plain(state_b, b, count);
}

/* The last one or two blocks of a message: `left` bytes, the mark, zeros, the length in bits. */
static void finish(uint32_t *state, const uint8_t *rest, size_t left, uint64_t total,
                   uint8_t *digest) {
  uint8_t last[128] = {0};
  memcpy(last, rest, left);
  last[left] = 0x80;
  const size_t blocks = left < 56 ? 1 : 2;
  for (int i = 0; i < 8; i++) last[64 * blocks - 1 - i] = (uint8_t)(total * 8 >> 8 * i);
  one(state, last, blocks);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void dlv_sha256_many(const uint8_t *prefix, size_t prefix_length, const uint8_t *const *parts,
                     uint32_t messages, size_t length, uint8_t *digests) {
  const uint64_t total = (uint64_t)prefix_length + length;
  for (uint32_t m = 0; m < messages; m += 2) {
    const uint32_t pair = messages - m < 2 ? 1 : 2;
    uint32_t states[2][8];
    uint8_t first[2][64];
    for (uint32_t i = 0; i < pair; i++) {
      memcpy(states[i], START, sizeof START);
      memcpy(first[i], prefix, prefix_length);
    }
    const size_t in_first = total < 64 ? length : 64 - prefix_length;
    const size_t blocks = total < 64 ? 0 : (length - in_first) / 64;
    for (uint32_t i = 0; i < pair; i++) {
      memcpy(first[i] + prefix_length, parts[m + i], in_first);
      if (total >= 64) one(states[i], first[i], 1);
    }
    if (pair == 2) {
      two(states[0], states[1], parts[m] + in_first, parts[m + 1] + in_first, blocks);
    } else {
      one(states[0], parts[m] + in_first, blocks);
    }
    for (uint32_t i = 0; i < pair; i++) {
      const uint8_t *rest = total < 64 ? first[i] : parts[m + i] + in_first + 64 * blocks;
      const size_t left = total < 64 ? (size_t)total : length - in_first - 64 * blocks;
      finish(states[i], rest, left, total, digests + (size_t)SHA256_BYTES * (m + i));
    }
  }
}

int dlv_hashes_fast(void) {
#ifdef DLV_X86
  return dlv_has_sha();
#else
  return 0;
#endif
}

void dlv_sha256_start(sha256_state *s) {
  memset(s, 0, sizeof *s);
  memcpy(s->words, START, sizeof START);
}

/* Fills the block that was begun; returns how many bytes went into it. */
static size_t fill(sha256_state *s, const uint8_t *bytes, size_t length) {
  const size_t used = s->total % 64;
  size_t taken = used == 0 ? 0 : 64 - used;
  if (taken > length) taken = length;
  memcpy(s->rest + used, bytes, taken);
  s->total += taken;
  if (taken > 0 && used + taken == 64) one(s->words, s->rest, 1);
  return taken;
}

/* Takes what is left, of which less than a block is only kept. */
static void take(sha256_state *s, const uint8_t *bytes, size_t length) {
  one(s->words, bytes, length / 64);
  memcpy(s->rest, bytes + length / 64 * 64, length % 64);
  s->total += length;
}

void dlv_sha256_update(sha256_state *s, const uint8_t *bytes, size_t length) {
  const size_t filled = fill(s, bytes, length);
  if (filled < length) take(s, bytes + filled, length - filled);
}

void dlv_sha256_update_two(sha256_state *s, const uint8_t *bytes, size_t length, sha256_state *t,
                           const uint8_t *others, size_t other_length) {
  size_t a = fill(s, bytes, length), b = fill(t, others, other_length);
  size_t blocks = (length - a) / 64;
  if ((other_length - b) / 64 < blocks) blocks = (other_length - b) / 64;
  two(s->words, t->words, bytes + a, others + b, blocks);
  s->total += 64 * blocks;
  t->total += 64 * blocks;
  a += 64 * blocks;
  b += 64 * blocks;
  if (a < length) take(s, bytes + a, length - a);
  if (b < other_length) take(t, others + b, other_length - b);
}

void dlv_sha256_digest(const sha256_state *s, uint8_t *digest) {
  uint32_t words[8];
  memcpy(words, s->words, sizeof words);
  finish(words, s->rest, s->total % 64, s->total, digest);
}
