/* Encoding of a segment: docs/format/codec.md, codec 2. */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "palette.h"
#include "stats.h"

/* Elements that are looked at to choose a transform: blocks spread over the segment. */
#define SAMPLE_BLOCK 1024u
#define SAMPLE_BLOCKS 32u
/* A mask is thought of if at least 1 of so many elements is unchanged, and taken if all but 1 are. */
#define MASK_SHARE 25u
#define MASK_SURE 100u
#define MASK_BLOCK 64u
#define MASK_BLOCKS 512u
/* Elements on which coding with and without a mask is tried. */
#define TRIAL_BLOCK 1024u
#define TRIAL_BLOCKS 48u
/* A delta must be cheaper than the planes alone by this, in 1/1000. */
#define DELTA_GAIN 995u

static const contexts NO_CONTEXTS = {CONTEXT_NONE, 1, {1, {0}}, {{{0}}}, NULL, NULL, 0, NULL, 0};

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
    const uint32_t from = sample_from(n, block, blocks, b);
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

/* Unchanged elements of 1,000, from a sample. */
static uint32_t unchanged_share(const uint8_t *const *child, const uint8_t *const *base,
                                uint32_t width, uint32_t n) {
  const int all = n <= MASK_BLOCK * MASK_BLOCKS;
  const uint32_t blocks = all ? (n + MASK_BLOCK - 1) / MASK_BLOCK : MASK_BLOCKS;
  uint8_t mask[MASK_BLOCK / 8];
  uint64_t looked = 0, changed = 0;
  for (uint32_t b = 0; b < blocks; b++) {
    const uint32_t from = all ? b * MASK_BLOCK : sample_from(n, MASK_BLOCK, blocks, b);
    const uint32_t part = n - from < MASK_BLOCK ? n - from : MASK_BLOCK;
    const uint8_t *c[DLV_WIDTH_MAX], *p[DLV_WIDTH_MAX];
    for (uint32_t k = 0; k < width; k++) {
      c[k] = child[k] + from;
      p[k] = base[k] + from;
    }
    changed += bulk_mask(c, p, width, part, mask);
    looked += part;
  }
  return (uint32_t)((looked - changed) * 1000 / looked);
}

static int same(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                uint32_t n) {
  for (uint32_t k = 0; k < width; k++) {
    if (memcmp(child[k], base[k], n) != 0) return 0;
  }
  return 1;
}

static int put_planes(encoder *e, int transform, const uint8_t *const *child, uint8_t *scratch) {
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
    if (aborted_now(e)) return DLV_ERR_ABORTED;
    const int kind = transform != DLV_RAW ? CONTEXT_BASE : k > 0 ? CONTEXT_OWN : CONTEXT_NONE;
    contexts may;
    set_planes(&may, kind, e->width, k, e->base, child, NULL);
    const uint8_t *above = transform != DLV_RAW && k > 0 ? planes[k - 1] : NULL;
    dlv_buffer *payload = &e->out->classes[plane_class(e->width, k)];
    const int failed = put_plane(e, planes[k], e->count, &may, above, payload);
    if (failed) return failed;
  }
  return DLV_OK;
}

/* Planes of the changed elements: those of the child, then those of the base. NULL without memory. */
static uint8_t *keep_changed(const uint8_t *const *child, const uint8_t *const *base,
                             uint32_t width, uint32_t count, const uint8_t *mask, uint32_t changed,
                             const uint8_t **child_now, const uint8_t **base_now) {
  uint8_t *packed = scratch_take((size_t)2 * width * changed + BULK_SLACK);
  if (packed == NULL) return NULL;
  /* Upwards: what is written too much is written over by the next plane. */
  for (uint32_t k = 0; k < 2 * width; k++) {
    uint8_t *to = packed + (size_t)k * changed;
    bulk_compact(k < width ? child[k] : base[k - width], mask, count, to);
    if (k < width) child_now[k] = to;
    else base_now[k - width] = to;
  }
  return packed;
}

/*
 * Encodes all after the codec byte. masked: leave unchanged elements out, unless there are fewer than
 * 8 of them or nothing else.
 */
static int put_body(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                    uint32_t count, int masked, int no_prefix) {
  const uint32_t width = e->width;
  const uint8_t *child_now[DLV_WIDTH_MAX], *base_now[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) {
    child_now[k] = planes[k];
    base_now[k] = base ? base[k] : NULL;
  }
  uint8_t *mask = NULL, *packed = NULL;
  uint32_t changed = count;
  int failed = DLV_ERR_MEMORY;
  /* Digits, or those of a sample. */
  const size_t sample = SAMPLE_BLOCK * SAMPLE_BLOCKS;
  uint8_t *digits = scratch_take(((size_t)count > sample ? (size_t)count : sample) * width);
  if (digits == NULL) goto done;
  if (masked) {
    mask = scratch_take((count + 7) / 8);
    if (mask == NULL) goto done;
    changed = bulk_mask(planes, base, width, count, mask);
    masked = count - changed >= 8 && changed > 0;
  }
  if (masked) {
    packed = keep_changed(planes, base, width, count, mask, changed, child_now, base_now);
    if (packed == NULL) goto done;
  }
  e->count = masked ? changed : count;
  e->base = base ? base_now : NULL;
  int transform = DLV_RAW;
  if (base) transform = choose_transform(child_now, base_now, width, e->count, no_prefix, digits);
  dlv_buffer *head = &e->out->head;
  e->out->uses_base = masked || transform != DLV_RAW;
  failed = buffer_put_byte(head, (uint8_t)transform);
  if (!failed) failed = buffer_put_byte(head, masked ? FLAG_MASK : 0);
  if (!failed && masked) {
    failed = buffer_put_varint(head, changed);
    if (!failed) {
      failed = put_plane(e, mask, (count + 7) / 8, &NO_CONTEXTS, NULL, &e->out->classes[0]);
    }
  }
  if (!failed) failed = put_planes(e, transform, child_now, digits);
done:
  scratch_give(digits);
  scratch_give(mask);
  scratch_give(packed);
  return failed;
}

/* Bytes of what a head and payloads of a sample would be for `whole` elements, times `sampled`. */
static uint64_t weight(const encoder *e, uint32_t sampled, uint32_t whole) {
  uint64_t payload = 0;
  for (int c = 0; c < 3; c++) payload += e->out->classes[c].length;
  const uint64_t fixed = e->state_bytes < payload ? e->state_bytes : payload;
  return (payload - fixed) * whole + (e->out->head.length + fixed) * sampled;
}

/* Encodes planes both ways; answers through *masked which is smaller. keep: leave that in e->out. */
static int try_both(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                    uint32_t count, uint32_t whole, int no_prefix, int keep, int *masked) {
  dlv_encoded results[2];
  memset(results, 0, sizeof results);
  uint64_t weights[2];
  int failed = DLV_OK;
  for (int m = 0; m < 2 && !failed; m++) {
    encoder attempt = *e;
    attempt.out = &results[m];
    attempt.state_bytes = 0;
    failed = buffer_put_byte(&results[m].head, CODEC_RANS);
    if (!failed) failed = put_body(&attempt, planes, base, count, m, no_prefix);
    weights[m] = weight(&attempt, count, whole);
  }
  *masked = !failed && weights[1] < weights[0];
  if (keep && !failed) {
    dlv_encoded_free(e->out);
    *e->out = results[*masked];
    memset(&results[*masked], 0, sizeof results[*masked]);
  }
  dlv_encoded_free(&results[0]);
  dlv_encoded_free(&results[1]);
  return failed;
}

/* Whether a mask pays, tried on blocks spread over the segment. */
static int try_sample(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                      uint32_t count, int no_prefix, int *masked) {
  const uint32_t n = TRIAL_BLOCK * TRIAL_BLOCKS;
  uint8_t *memory = scratch_take((size_t)2 * e->width * n);
  if (memory == NULL) return DLV_ERR_MEMORY;
  const uint8_t *c[DLV_WIDTH_MAX], *p[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < e->width; k++) {
    uint8_t *child_copy = memory + (size_t)k * n;
    uint8_t *base_copy = memory + (size_t)(e->width + k) * n;
    for (uint32_t b = 0; b < TRIAL_BLOCKS; b++) {
      const uint32_t from = sample_from(count, TRIAL_BLOCK, TRIAL_BLOCKS, b);
      memcpy(child_copy + b * TRIAL_BLOCK, planes[k] + from, TRIAL_BLOCK);
      memcpy(base_copy + b * TRIAL_BLOCK, base[k] + from, TRIAL_BLOCK);
    }
    c[k] = child_copy;
    p[k] = base_copy;
  }
  const int failed = try_both(e, c, p, n, count, no_prefix, 0, masked);
  scratch_give(memory);
  return failed;
}

/* Encodes planes that differ from the base's, or have none, as planes. */
static int put_differing(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                       int no_prefix) {
  const uint32_t count = e->count;
  int masked = 0;
  if (base) {
    const uint32_t share = unchanged_share(planes, base, e->width, count);
    if (share >= 1000 - 1000 / MASK_SURE) {
      masked = 1;
    } else if (share >= 1000 / MASK_SHARE) {
      if (count <= TRIAL_BLOCK * TRIAL_BLOCKS) {
        return try_both(e, planes, base, count, count, no_prefix, 1, &masked);
      }
      const int failed = try_sample(e, planes, base, count, no_prefix, &masked);
      if (failed) return failed;
    }
  }
  return put_body(e, planes, base, count, masked, no_prefix);
}

/* Writes palette and indices. */
static int put_palette(encoder *e, const palette *values, const uint8_t *indices, uint32_t n) {
  dlv_buffer *head = &e->out->head;
  int failed = buffer_put_byte(head, CODEC_RANS) || buffer_put_byte(head, DLV_PALETTE) ||
               buffer_put_byte(head, 0) || buffer_put_byte(head, (uint8_t)(values->size - 1));
  for (uint32_t k = 0; k < e->width; k++) {
    failed |= buffer_put(head, values->bytes[k], values->size);
  }
  if (failed) return DLV_ERR_MEMORY;
  return put_plane(e, indices, n, &NO_CONTEXTS, NULL, &e->out->classes[0]);
}

static uint64_t encoded_bytes(const dlv_encoded *out) {
  uint64_t bytes = out->head.length;
  for (int c = 0; c < 3; c++) bytes += out->classes[c].length;
  return bytes;
}

/* As planes, and if there are few distinct values also with a palette: the smaller. */
static int put_segment(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                       int no_prefix) {
  const uint32_t count = e->count;
  int failed = put_differing(e, planes, base, no_prefix);
  if (failed || e->width == 1) return failed;
  uint8_t *indices = scratch_take(count);
  if (indices == NULL) return DLV_ERR_MEMORY;
  palette values;
  if (palette_find(planes, e->width, count, &values, indices)) {
    dlv_encoded other;
    memset(&other, 0, sizeof other);
    encoder attempt = *e;
    attempt.out = &other;
    failed = put_palette(&attempt, &values, indices, count);
    if (!failed && encoded_bytes(&other) < encoded_bytes(e->out)) {
      dlv_encoded_free(e->out);
      *e->out = other;
    } else {
      dlv_encoded_free(&other);
    }
  }
  scratch_give(indices);
  return failed;
}

int dlv_segment_encode(const uint8_t *const *planes, const uint8_t *const *base, uint32_t count,
                       uint32_t width, int level, int no_prefix, const volatile int32_t *aborted,
                       dlv_encoded *out) {
  memset(out, 0, sizeof *out);
  if (width == 0 || width > DLV_WIDTH_MAX || count == 0 || count > DLV_SEGMENT_ELEMENTS ||
      level < DLV_LEVEL_FAST || level > DLV_LEVEL_MAX) {
    return DLV_ERR_ARGUMENT;
  }
  encoder e = {width, count, level, NULL, out, 0, aborted, NULL, NULL, NULL, NULL};
  int failed = buffer_put_byte(&out->head, CODEC_RANS);
  if (!failed && base && same(planes, base, width, count)) {
    out->uses_base = 1;
    failed = buffer_put_byte(&out->head, DLV_SAME);
    if (!failed) failed = buffer_put_byte(&out->head, 0);
  } else if (!failed) {
    e.counts = scratch_take(65536 * sizeof *e.counts);
    e.parts = scratch_take(BULK_PARTS * sizeof *e.parts);
    e.classes = scratch_take(BLOCK_ELEMENTS);
    e.symbols = scratch_take(RANS_CLASSES_MAX * 256 * sizeof *e.symbols);
    failed = DLV_ERR_MEMORY;
    if (e.counts && e.parts && e.classes && e.symbols) {
      failed = put_segment(&e, planes, base, no_prefix);
    }
    scratch_give(e.counts);
    scratch_give(e.parts);
    scratch_give(e.classes);
    scratch_give(e.symbols);
  }
  if (failed) dlv_encoded_free(out);
  return failed;
}

void dlv_encoded_free(dlv_encoded *encoded) {
  free(encoded->head.bytes);
  for (int c = 0; c < 3; c++) free(encoded->classes[c].bytes);
  memset(encoded, 0, sizeof *encoded);
}
