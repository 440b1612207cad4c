/*
 * What dlv is measured against, on one thread and on buffers of the caller: the system's zstd and lz4
 * (loaded when the program runs, so nothing has to be installed to build this), XOR, and canonical
 * Huffman codes for a byte plane.
 *
 * zstdVersion() → string | null; zstdCompress(level, source, target) → bytes; zstdDecompress(source,
 * target) → bytes; lz4Compress(source, target), lz4Decompress(source, target) likewise, −1 without
 * the library; xor(a, b, target); huffmanEncode(plane, target) → bytes; huffmanDecode(source, plane)
 *
 * For measuring only: sources are trusted.
 */
#include <dlfcn.h>
#include <node_api.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  uint8_t *bytes;
  size_t length;
} span;

static int span_of(napi_env env, napi_value value, span *out) {
  napi_typedarray_type type;
  void *data;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return -1;
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok) return -1;
  out->bytes = data;
  return type == napi_uint8_array ? 0 : -1;
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

/* Reads `count` byte arrays after `skip` other arguments. */
static int spans(napi_env env, napi_callback_info info, size_t skip, span *out, size_t count,
                 napi_value *args) {
  size_t argc = skip + count;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok) return -1;
  for (size_t i = 0; i < count; i++) {
    if (argc <= skip + i || span_of(env, args[skip + i], &out[i])) {
      napi_throw_type_error(env, NULL, "peers: byte arrays are wanted");
      return -1;
    }
  }
  return 0;
}

/* --- zstd and lz4 of the system --- */

static const char *(*zstd_version)(void);
static void *(*zstd_new)(void);
static size_t (*zstd_compress)(void *, void *, size_t, const void *, size_t, int);
static void *(*zstd_new_d)(void);
static size_t (*zstd_decompress)(void *, void *, size_t, const void *, size_t);
static unsigned (*zstd_is_error)(size_t);
static int (*lz4_compress)(const char *, char *, int, int);
static int (*lz4_decompress)(const char *, char *, int, int);
static void *zstd_context, *zstd_context_d;

static void *symbol(void *library, const char *name) { return library ? dlsym(library, name) : NULL; }

static void load_libraries(void) {
  void *zstd = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  *(void **)&zstd_version = symbol(zstd, "ZSTD_versionString");
  *(void **)&zstd_new = symbol(zstd, "ZSTD_createCCtx");
  *(void **)&zstd_compress = symbol(zstd, "ZSTD_compressCCtx");
  *(void **)&zstd_new_d = symbol(zstd, "ZSTD_createDCtx");
  *(void **)&zstd_decompress = symbol(zstd, "ZSTD_decompressDCtx");
  *(void **)&zstd_is_error = symbol(zstd, "ZSTD_isError");
  if (!zstd_new || !zstd_compress || !zstd_new_d || !zstd_decompress || !zstd_is_error) {
    zstd_version = NULL;
  } else {
    zstd_context = zstd_new();
    zstd_context_d = zstd_new_d();
  }
  void *lz4 = dlopen("liblz4.so.1", RTLD_NOW | RTLD_LOCAL);
  *(void **)&lz4_compress = symbol(lz4, "LZ4_compress_default");
  *(void **)&lz4_decompress = symbol(lz4, "LZ4_decompress_safe");
}

static napi_value js_zstd_version(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result;
  if (zstd_version) napi_create_string_utf8(env, zstd_version(), NAPI_AUTO_LENGTH, &result);
  else napi_get_null(env, &result);
  return result;
}

static napi_value js_zstd_compress(napi_env env, napi_callback_info info) {
  napi_value args[3];
  span s[2];
  int32_t level = 3;
  if (spans(env, info, 1, s, 2, args)) return NULL;
  napi_get_value_int32(env, args[0], &level);
  if (!zstd_version) return number(env, -1);
  size_t n = zstd_compress(zstd_context, s[1].bytes, s[1].length, s[0].bytes, s[0].length, level);
  return number(env, zstd_is_error(n) ? -1 : (double)n);
}

static napi_value js_zstd_decompress(napi_env env, napi_callback_info info) {
  napi_value args[2];
  span s[2];
  if (spans(env, info, 0, s, 2, args)) return NULL;
  if (!zstd_version) return number(env, -1);
  size_t n = zstd_decompress(zstd_context_d, s[1].bytes, s[1].length, s[0].bytes, s[0].length);
  return number(env, zstd_is_error(n) ? -1 : (double)n);
}

static napi_value js_lz4_compress(napi_env env, napi_callback_info info) {
  napi_value args[2];
  span s[2];
  if (spans(env, info, 0, s, 2, args)) return NULL;
  if (!lz4_compress) return number(env, -1);
  return number(env, lz4_compress((char *)s[0].bytes, (char *)s[1].bytes, (int)s[0].length,
                                  (int)s[1].length));
}

static napi_value js_lz4_decompress(napi_env env, napi_callback_info info) {
  napi_value args[2];
  span s[2];
  if (spans(env, info, 0, s, 2, args)) return NULL;
  if (!lz4_decompress) return number(env, -1);
  return number(env, lz4_decompress((char *)s[0].bytes, (char *)s[1].bytes, (int)s[0].length,
                                    (int)s[1].length));
}

static napi_value js_xor(napi_env env, napi_callback_info info) {
  napi_value args[3];
  span s[3];
  if (spans(env, info, 0, s, 3, args)) return NULL;
  const uint8_t *restrict a = s[0].bytes, *restrict b = s[1].bytes;
  uint8_t *restrict t = s[2].bytes;
  for (size_t i = 0; i < s[2].length; i++) t[i] = a[i] ^ b[i];
  return NULL;
}

/* --- canonical Huffman codes of at most 12 bits, four streams, one table per plane --- */

#define CODE_BITS 12
enum { MODE_CONSTANT, MODE_STORED, MODE_CODED };

/* Code lengths by the two smallest again and again, shortened to CODE_BITS by Kraft's sum. */
static void code_lengths(const uint32_t *counts, uint8_t *lengths) {
  uint64_t weight[511];
  int16_t up[511];
  uint8_t alive[511];
  int nodes = 256, left = 0;
  for (int s = 0; s < 256; s++) {
    weight[s] = counts[s];
    alive[s] = counts[s] > 0;
    left += alive[s];
    up[s] = -1;
  }
  for (; left > 1; left--) {
    int low = -1, next = -1;
    for (int i = 0; i < nodes; i++) {
      if (!alive[i]) continue;
      if (low < 0 || weight[i] < weight[low]) next = low, low = i;
      else if (next < 0 || weight[i] < weight[next]) next = i;
    }
    alive[low] = alive[next] = 0;
    up[low] = up[next] = (int16_t)nodes;
    weight[nodes] = weight[low] + weight[next];
    up[nodes] = -1;
    alive[nodes++] = 1;
  }
  uint32_t kraft = 0;
  for (int s = 0; s < 256; s++) {
    int depth = 0;
    for (int i = s; up[i] >= 0; i = up[i]) depth++;
    if (depth > CODE_BITS) depth = CODE_BITS;
    lengths[s] = counts[s] ? (uint8_t)depth : 0;
    if (counts[s]) kraft += 1u << (CODE_BITS - depth);
  }
  while (kraft > 1u << CODE_BITS) { /* lengthen the rarest of the longest codes that can grow */
    int best = -1;
    for (int s = 0; s < 256; s++) {
      if (lengths[s] == 0 || lengths[s] == CODE_BITS) continue;
      if (best < 0 || lengths[s] > lengths[best] ||
          (lengths[s] == lengths[best] && counts[s] < counts[best])) best = s;
    }
    kraft -= 1u << (CODE_BITS - lengths[best] - 1);
    lengths[best]++;
  }
  for (int grown = 1; grown;) { /* give what is left of the sum to the most frequent */
    grown = 0;
    int best = -1;
    for (int s = 0; s < 256; s++) {
      if (lengths[s] < 2 || kraft + (1u << (CODE_BITS - lengths[s])) > 1u << CODE_BITS) continue;
      if (best < 0 || counts[s] > counts[best]) best = s;
    }
    if (best >= 0) {
      kraft += 1u << (CODE_BITS - lengths[best]);
      lengths[best]--;
      grown = 1;
    }
  }
}

/* Codes with their bits reversed, so that the stream is read from its lowest bit. */
static void canonical_codes(const uint8_t *lengths, uint16_t *codes) {
  uint16_t code = 0;
  for (int bits = 1; bits <= CODE_BITS; bits++) {
    for (int s = 0; s < 256; s++) {
      if (lengths[s] != bits) continue;
      uint16_t reversed = 0;
      for (int i = 0; i < bits; i++) reversed |= ((code >> i) & 1) << (bits - 1 - i);
      codes[s] = reversed;
      code++;
    }
    code <<= 1;
  }
}

/* Lengths as nibbles; a 0 is followed by the number of zeros after it, at most 15. */
static size_t write_lengths(const uint8_t *lengths, uint8_t *target) {
  size_t nibbles = 0;
  memset(target, 0, 256);
  for (int s = 0; s < 256; s++) {
    target[nibbles / 2] |= (uint8_t)(lengths[s] << (4 * (nibbles & 1)));
    nibbles++;
    if (lengths[s] == 0) {
      int run = 0;
      while (run < 15 && s + 1 < 256 && lengths[s + 1] == 0) run++, s++;
      target[nibbles / 2] |= (uint8_t)(run << (4 * (nibbles & 1)));
      nibbles++;
    }
  }
  return (nibbles + 1) / 2;
}

static size_t read_lengths(const uint8_t *source, uint8_t *lengths) {
  size_t nibbles = 0;
  for (int s = 0; s < 256;) {
    uint8_t length = (source[nibbles / 2] >> (4 * (nibbles & 1))) & 15;
    nibbles++;
    lengths[s++] = length;
    if (length == 0) {
      int run = (source[nibbles / 2] >> (4 * (nibbles & 1))) & 15;
      nibbles++;
      while (run-- > 0 && s < 256) lengths[s++] = 0;
    }
  }
  return (nibbles + 1) / 2;
}

static size_t encode_stream(const uint8_t *plane, size_t n, const uint8_t *lengths,
                            const uint16_t *codes, uint8_t *target) {
  uint64_t bits = 0;
  unsigned used = 0;
  uint8_t *at = target;
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int j = 0; j < 4; j++) {
      uint8_t s = plane[i + j];
      bits |= (uint64_t)codes[s] << used;
      used += lengths[s];
    }
    memcpy(at, &bits, 8);
    at += used >> 3;
    bits >>= used & ~7u;
    used &= 7;
  }
  for (; i < n; i++) {
    bits |= (uint64_t)codes[plane[i]] << used;
    used += lengths[plane[i]];
  }
  memcpy(at, &bits, 8);
  return (size_t)(at - target) + (used + 7) / 8;
}

static napi_value js_huffman_encode(napi_env env, napi_callback_info info) {
  napi_value args[2];
  span s[2];
  if (spans(env, info, 0, s, 2, args)) return NULL;
  const uint8_t *plane = s[0].bytes;
  size_t n = s[0].length;
  uint8_t *out = s[1].bytes;
  if (n == 0 || s[1].length < 2 * n + 1024) return number(env, -1);
  uint32_t part[4][256] = {{0}}, counts[256];
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    part[0][plane[i]]++, part[1][plane[i + 1]]++, part[2][plane[i + 2]]++, part[3][plane[i + 3]]++;
  }
  for (; i < n; i++) part[0][plane[i]]++;
  int symbols = 0;
  for (int v = 0; v < 256; v++) {
    counts[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
    symbols += counts[v] > 0;
  }
  if (symbols == 1) {
    out[0] = MODE_CONSTANT;
    out[1] = plane[0];
    return number(env, 2);
  }
  uint8_t lengths[256];
  uint16_t codes[256];
  code_lengths(counts, lengths);
  uint64_t total = 0;
  for (int v = 0; v < 256; v++) total += (uint64_t)counts[v] * lengths[v];
  if (total / 8 + 160 >= n) {
    out[0] = MODE_STORED;
    memcpy(out + 1, plane, n);
    return number(env, 1 + (double)n);
  }
  canonical_codes(lengths, codes);
  out[0] = MODE_CODED;
  uint8_t *at = out + 1 + write_lengths(lengths, out + 1), *sizes = at;
  at += 12;
  size_t quarter = n / 4;
  for (int q = 0; q < 4; q++) {
    size_t length = q < 3 ? quarter : n - 3 * quarter;
    uint32_t bytes = (uint32_t)encode_stream(plane + q * quarter, length, lengths, codes, at);
    if (q < 3) memcpy(sizes + 4 * q, &bytes, 4);
    at += bytes;
  }
  return number(env, (double)(at - out));
}

typedef struct {
  uint8_t symbol, bits;
} entry;

typedef struct {
  const uint8_t *at;
  uint64_t bits;
  unsigned left;
} stream;

static inline void refill(stream *s) {
  uint64_t next;
  memcpy(&next, s->at, 8);
  s->bits |= next << s->left;
  s->at += (63 - s->left) >> 3;
  s->left |= 56;
}

static inline uint8_t decode_one(stream *s, const entry *table) {
  entry e = table[s->bits & ((1u << CODE_BITS) - 1)];
  s->bits >>= e.bits;
  s->left -= e.bits;
  return e.symbol;
}

static napi_value js_huffman_decode(napi_env env, napi_callback_info info) {
  napi_value args[2];
  span s[2];
  if (spans(env, info, 0, s, 2, args)) return NULL;
  const uint8_t *in = s[0].bytes;
  uint8_t *plane = s[1].bytes;
  size_t n = s[1].length;
  if (in[0] == MODE_CONSTANT) memset(plane, in[1], n);
  else if (in[0] == MODE_STORED) memcpy(plane, in + 1, n);
  if (in[0] != MODE_CODED) return NULL;
  uint8_t lengths[256];
  uint16_t codes[256];
  static entry table[1 << CODE_BITS];
  const uint8_t *at = in + 1 + read_lengths(in + 1, lengths);
  canonical_codes(lengths, codes);
  for (int v = 0; v < 256; v++) {
    if (lengths[v] == 0) continue;
    for (uint32_t c = codes[v]; c < 1u << CODE_BITS; c += 1u << lengths[v]) {
      table[c] = (entry){(uint8_t)v, lengths[v]};
    }
  }
  uint32_t sizes[3];
  memcpy(sizes, at, 12);
  stream q[4];
  at += 12;
  for (int k = 0; k < 4; k++) {
    q[k] = (stream){at, 0, 0};
    if (k < 3) at += sizes[k];
  }
  size_t quarter = n / 4, i = 0;
  for (; i + 4 <= quarter; i += 4) {
    for (int k = 0; k < 4; k++) refill(&q[k]);
    for (int j = 0; j < 4; j++) {
      for (int k = 0; k < 4; k++) plane[k * quarter + i + j] = decode_one(&q[k], table);
    }
  }
  for (int k = 0; k < 4; k++) {
    size_t end = k < 3 ? quarter : n - 3 * quarter;
    for (size_t j = i; j < end; j++) {
      refill(&q[k]);
      plane[k * quarter + j] = decode_one(&q[k], table);
    }
  }
  return NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  load_libraries();
  const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"zstdVersion", js_zstd_version},     {"zstdCompress", js_zstd_compress},
      {"zstdDecompress", js_zstd_decompress}, {"lz4Compress", js_lz4_compress},
      {"lz4Decompress", js_lz4_decompress}, {"xor", js_xor},
      {"huffmanEncode", js_huffman_encode}, {"huffmanDecode", js_huffman_decode},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value call;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &call);
    napi_set_named_property(env, exports, functions[i].name, call);
  }
  return exports;
}

NAPI_MODULE(dlv_bench_peers, init)
