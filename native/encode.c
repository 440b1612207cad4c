/* Encoding of a segment: docs/format/codec.md, codec 2. */
#include <stdlib.h>
#include <string.h>

#include "segment.h"
#include "stats.h"
#include "table.h"

/* Elements that are looked at to choose a transform: blocks spread over the segment. */
#define SAMPLE_BLOCK 1024u
#define SAMPLE_BLOCKS 32u
/* A mask pays if at least 1 of so many elements is unchanged. */
#define MASK_SHARE 25u
/* Bits of a plane that is not worth coding, in 1/1000 of 8. */
static const uint32_t STORE_FROM[3] = {950, 995, 999};
/* A delta must be cheaper than the planes alone by this, in 1/1000. */
#define DELTA_GAIN 995u

typedef struct {
  uint32_t width;
  uint32_t count; /* elements that are coded: all, or the changed ones */
  int level;
  const uint8_t *const *base; /* planes of the base at these elements, or NULL */
  dlv_encoded *out;
  uint32_t *counts; /* 256 × 256 */
  uint8_t *classes; /* DLV_CHUNK_ELEMENTS */
  rans_symbol *symbols;
} encoder;

/* Symbol counts of a plane per context; without contexts all go to row 0. */
static void count_contexts(encoder *e, const uint8_t *plane, int kind, const uint8_t *own,
                           uint32_t n) {
  memset(e->counts, 0, 65536 * sizeof *e->counts);
  uint8_t map[256];
  for (int i = 0; i < 256; i++) map[i] = (uint8_t)i;
  for (uint32_t from = 0; from < n; from += DLV_CHUNK_ELEMENTS) {
    const uint32_t part = n - from < DLV_CHUNK_ELEMENTS ? n - from : DLV_CHUNK_ELEMENTS;
    if (kind == CONTEXT_BASE) base_contexts(e->base, e->width, from, part, map, e->classes);
    if (kind == CONTEXT_OWN) own_contexts(own, from, part, map, e->classes);
    const uint8_t *p = plane + from;
    for (uint32_t i = 0; i < part; i++) e->counts[(uint32_t)e->classes[i] << 8 | p[i]]++;
  }
}

/* Counts of a plane without contexts, in four tables that are added: no store waits for a load. */
static void count_plain(const uint8_t *plane, uint32_t n, uint32_t *counts) {
  uint32_t parts[4][256];
  memset(parts, 0, sizeof parts);
  uint32_t i = 0;
  for (; n - i >= 4; i += 4) {
    parts[0][plane[i]]++;
    parts[1][plane[i + 1]]++;
    parts[2][plane[i + 2]]++;
    parts[3][plane[i + 3]]++;
  }
  for (; i < n; i++) parts[0][plane[i]]++;
  for (int s = 0; s < 256; s++) counts[s] = parts[0][s] + parts[1][s] + parts[2][s] + parts[3][s];
}

static int put_stored(encoder *e, const uint8_t *plane, uint32_t n, dlv_buffer *payload) {
  const int failed = buffer_put_byte(&e->out->head, MODE_STORE);
  return failed ? failed : buffer_put(payload, plane, n);
}

/* Writes a plane with the classes of `split` (or one class without contexts). */
static int put_coded(encoder *e, const uint8_t *plane, uint32_t n, int kind, const uint8_t *own,
                     const stats_split *split, const uint32_t *plain, dlv_buffer *payload) {
  dlv_buffer *head = &e->out->head;
  const uint32_t classes = kind == CONTEXT_NONE ? 1 : split->classes;
  rans_table tables[RANS_CLASSES_MAX];
  uint32_t sums[256];
  int failed = buffer_put_byte(head, MODE_RANS) || buffer_put_byte(head, (uint8_t)kind);
  if (kind != CONTEXT_NONE) {
    failed |= buffer_put_byte(head, (uint8_t)(classes - 1));
    for (int c = 0; c < 255; c++) {
      if (split->of_context[c] != split->of_context[c + 1]) {
        failed |= buffer_put_byte(head, (uint8_t)c);
      }
    }
  }
  for (uint32_t class = 0; class < classes; class++) {
    if (kind == CONTEXT_NONE) {
      memcpy(sums, plain, sizeof sums);
    } else {
      memset(sums, 0, sizeof sums);
      for (int c = 0; c < 256; c++) {
        if (split->of_context[c] != class) continue;
        for (int s = 0; s < 256; s++) sums[s] += e->counts[c << 8 | s];
      }
    }
    uint64_t total = 0;
    for (int s = 0; s < 256; s++) total += sums[s];
    if (total == 0) sums[0] = 1;
    rans_normalize(sums, &tables[class]);
    rans_encoder(&tables[class], e->symbols + (class << 8));
  }
  if (failed || table_write(tables, classes, head)) return DLV_ERR_MEMORY;
  for (uint32_t from = 0; from < n; from += DLV_CHUNK_ELEMENTS) {
    const uint32_t part = n - from < DLV_CHUNK_ELEMENTS ? n - from : DLV_CHUNK_ELEMENTS;
    if (kind == CONTEXT_BASE) {
      base_contexts(e->base, e->width, from, part, split->of_context, e->classes);
    } else if (kind == CONTEXT_OWN) {
      own_contexts(own, from, part, split->of_context, e->classes);
    }
    uint8_t *to = buffer_reserve(payload, rans_bound(part));
    if (to == NULL) return DLV_ERR_MEMORY;
    const uint8_t *rows = kind == CONTEXT_NONE ? NULL : e->classes;
    const size_t length = rans_encode(plane + from, rows, part, e->symbols, to);
    payload->length += length;
    if (buffer_put_varint(head, length)) return DLV_ERR_MEMORY;
  }
  return DLV_OK;
}

/* Chooses how to write one plane and writes it. own: plane 0 of a raw element, or NULL. */
static int put_plane(encoder *e, const uint8_t *plane, uint32_t n, int kind, const uint8_t *own,
                     dlv_buffer *payload) {
  uint32_t plain[256];
  count_plain(plane, n, plain);
  if (n == 0 || plain[plane[0]] == n) {
    if (buffer_put_byte(&e->out->head, MODE_CONST)) return DLV_ERR_MEMORY;
    return buffer_put_byte(&e->out->head, n == 0 ? 0 : plane[0]);
  }
  const uint64_t stored = (uint64_t)n * 8 * COST_ONE;
  const uint64_t limit = stored / 1000 * STORE_FROM[e->level];
  const uint64_t order0 = stats_cost(plain) + stats_table_cost(plain);
  stats_split split;
  uint64_t best = order0;
  int chosen = CONTEXT_NONE;
  /* A plane of pure noise hides no context worth the search. */
  const int try_contexts =
      kind != CONTEXT_NONE && e->level > DLV_LEVEL_FAST && order0 < stored / 1000 * 999;
  if (try_contexts) {
    count_contexts(e, plane, kind, own, n);
    const uint32_t classes = e->level == DLV_LEVEL_MAX ? RANS_CLASSES_MAX : 8;
    const int failed = stats_find_split(e->counts, classes, &split);
    if (failed) return failed;
    /* Reading classes costs time: they have to save something. */
    if (split.cost + stored / 1000 < order0) {
      best = split.cost;
      chosen = kind;
    }
  }
  if (best >= limit) return put_stored(e, plane, n, payload);
  return put_coded(e, plane, n, chosen, own, &split, plain, payload);
}

/* Order-0 cost of a transform on the sample: planes that are noise count as stored. */
static uint64_t sample_cost(int transform, const uint8_t *const *child, const uint8_t *const *base,
                            uint32_t width, uint32_t n, uint8_t *scratch) {
  const uint32_t blocks = n < SAMPLE_BLOCK * SAMPLE_BLOCKS ? 1 : SAMPLE_BLOCKS;
  const uint32_t block = blocks == 1 ? n : SAMPLE_BLOCK;
  uint32_t counts[DLV_WIDTH_MAX][256];
  memset(counts, 0, sizeof counts);
  uint8_t *digits[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) digits[k] = scratch + (size_t)k * block;
  for (uint32_t b = 0; b < blocks; b++) {
    const size_t from = blocks == 1 ? 0 : (size_t)(n - block) * b / (blocks - 1);
    const uint8_t *c[DLV_WIDTH_MAX], *p[DLV_WIDTH_MAX];
    for (uint32_t k = 0; k < width; k++) {
      c[k] = child[k] + from;
      p[k] = base ? base[k] + from : NULL;
    }
    if (transform != DLV_RAW) dlv_digits(transform, c, p, width, block, digits);
    for (uint32_t k = 0; k < width; k++) {
      const uint8_t *plane = transform == DLV_RAW ? c[k] : digits[k];
      for (uint32_t i = 0; i < block; i++) counts[k][plane[i]]++;
    }
  }
  uint64_t cost = 0;
  const uint64_t stored = (uint64_t)blocks * block * 8 * COST_ONE;
  for (uint32_t k = 0; k < width; k++) {
    const uint64_t plane = stats_cost(counts[k]);
    cost += plane < stored ? plane : stored;
  }
  return cost;
}

static int choose_transform(const uint8_t *const *child, const uint8_t *const *base,
                            uint32_t width, uint32_t n, int no_prefix, uint8_t *scratch) {
  static const int CANDIDATES[] = {DLV_SUB16, DLV_BSUB};
  uint64_t best = sample_cost(DLV_RAW, child, base, width, n, scratch) / 1000 * DELTA_GAIN;
  int chosen = DLV_RAW;
  for (uint32_t i = 0; i < sizeof CANDIDATES / sizeof *CANDIDATES; i++) {
    if (!dlv_transform_fits(CANDIDATES[i], width)) continue;
    const uint64_t cost = sample_cost(CANDIDATES[i], child, base, width, n, scratch);
    if (cost < best) {
      best = cost;
      chosen = CANDIDATES[i];
    }
  }
  if (no_prefix && dlv_transform_fits(DLV_SUB32, width)) {
    if (sample_cost(DLV_SUB32, child, base, width, n, scratch) < best) chosen = DLV_SUB32;
  }
  return chosen;
}

/* Marks changed elements, LSB first; returns how many there are. */
static uint32_t make_mask(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                          uint32_t n, uint8_t *mask) {
  uint32_t changed = 0;
  memset(mask, 0, (n + 7) / 8);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t differs = 0;
    for (uint32_t k = 0; k < width; k++) differs |= child[k][i] ^ base[k][i];
    differs = differs != 0;
    mask[i >> 3] |= (uint8_t)(differs << (i & 7));
    changed += differs;
  }
  return changed;
}

static void compact(const uint8_t *plane, const uint8_t *mask, uint32_t n, uint8_t *out) {
  for (uint32_t i = 0; i < n; i++) {
    *out = plane[i];
    out += mask[i >> 3] >> (i & 7) & 1;
  }
}

static int aborted_now(const volatile int32_t *aborted) { return aborted && *aborted; }

static int put_planes(encoder *e, int transform, const uint8_t *const *child, uint8_t *scratch,
                      const volatile int32_t *aborted) {
  const uint8_t *planes[DLV_WIDTH_MAX];
  uint8_t *digits[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < e->width; k++) {
    digits[k] = scratch + (size_t)k * e->count;
    planes[k] = transform == DLV_RAW ? child[k] : digits[k];
  }
  if (transform != DLV_RAW) {
    dlv_digits(transform, child, e->base, e->width, e->count, digits);
  }
  for (uint32_t k = 0; k < e->width; k++) {
    if (aborted_now(aborted)) return DLV_ERR_ABORTED;
    int kind = CONTEXT_NONE;
    if (transform != DLV_RAW) kind = CONTEXT_BASE;
    else if (k == 1) kind = CONTEXT_OWN;
    dlv_buffer *payload = &e->out->classes[plane_class(e->width, k)];
    const int failed = put_plane(e, planes[k], e->count, kind, child[0], payload);
    if (failed) return failed;
  }
  return DLV_OK;
}

int dlv_segment_encode(const uint8_t *const *planes, const uint8_t *const *base, uint32_t count,
                       uint32_t width, int level, int no_prefix, const volatile int32_t *aborted,
                       dlv_encoded *out) {
  memset(out, 0, sizeof *out);
  if (width == 0 || width > DLV_WIDTH_MAX || count == 0 || count > DLV_SEGMENT_ELEMENTS ||
      level < DLV_LEVEL_FAST || level > DLV_LEVEL_MAX) {
    return DLV_ERR_ARGUMENT;
  }
  const size_t plane_bytes = (size_t)width * count;
  uint8_t *mask = malloc((count + 7) / 8);
  uint8_t *digits = malloc(plane_bytes + SAMPLE_BLOCK * SAMPLE_BLOCKS * DLV_WIDTH_MAX);
  uint8_t *packed = NULL;
  encoder e = {width, count, level, base, out, NULL, NULL, NULL};
  e.counts = malloc(65536 * sizeof *e.counts);
  e.classes = malloc(DLV_CHUNK_ELEMENTS);
  e.symbols = malloc(RANS_CLASSES_MAX * 256 * sizeof *e.symbols);
  int failed = DLV_ERR_MEMORY;
  if (mask == NULL || digits == NULL || !e.counts || !e.classes || !e.symbols) goto done;
  const uint32_t changed = base ? make_mask(planes, base, width, count, mask) : count;
  dlv_buffer *head = &out->head;
  failed = buffer_put_byte(head, CODEC_RANS);
  if (failed) goto done;
  if (changed == 0) {
    out->uses_base = 1;
    failed = buffer_put_byte(head, DLV_SAME);
    if (!failed) failed = buffer_put_byte(head, 0);
    goto done;
  }
  const uint8_t *child_now[DLV_WIDTH_MAX], *base_now[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) {
    child_now[k] = planes[k];
    base_now[k] = base ? base[k] : NULL;
  }
  const int masked = base && count - changed >= count / MASK_SHARE && count - changed >= 8;
  if (masked) {
    packed = malloc(2 * ((size_t)width * changed + 1));
    failed = DLV_ERR_MEMORY;
    if (packed == NULL) goto done;
    for (uint32_t k = 0; k < width; k++) {
      /* The last write of compact may go one past its part: parts are filled in order. */
      uint8_t *c = packed + (size_t)k * changed;
      compact(planes[k], mask, count, c);
      child_now[k] = c;
    }
    for (uint32_t k = 0; k < width; k++) {
      uint8_t *b = packed + (size_t)width * changed + 1 + (size_t)k * changed;
      compact(base[k], mask, count, b);
      base_now[k] = b;
    }
    e.count = changed;
  }
  if (base) e.base = base_now;
  int transform = DLV_RAW;
  if (base) {
    transform =
        choose_transform(child_now, base_now, width, e.count, no_prefix, digits);
  }
  out->uses_base = masked || transform != DLV_RAW;
  failed = buffer_put_byte(head, (uint8_t)transform);
  if (!failed) failed = buffer_put_byte(head, masked ? FLAG_MASK : 0);
  if (!failed && masked) {
    failed = buffer_put_varint(head, changed);
    if (!failed) {
      failed = put_plane(&e, mask, (count + 7) / 8, CONTEXT_NONE, NULL, &out->classes[0]);
    }
  }
  if (!failed) failed = put_planes(&e, transform, child_now, digits, aborted);
done:
  free(mask);
  free(digits);
  free(packed);
  free(e.counts);
  free(e.classes);
  free(e.symbols);
  if (failed) dlv_encoded_free(out);
  return failed;
}

void dlv_encoded_free(dlv_encoded *encoded) {
  free(encoded->head.bytes);
  for (int c = 0; c < 3; c++) free(encoded->classes[c].bytes);
  memset(encoded, 0, sizeof *encoded);
}
