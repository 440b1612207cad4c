/* Encoding of a segment: docs/format/codec.md, codecs 2 and 3. */
#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "palette.h"
#include "stats.h"

/* Elements that are looked at to choose a transform: blocks spread over the segment, for each level. */
#define SAMPLE_BLOCK 1024u
#define SAMPLE_BLOCKS_MAX 32u
static const uint32_t SAMPLE_BLOCKS[3] = {8, 16, SAMPLE_BLOCKS_MAX};
/* A mask is thought of if at least 1 of so many elements is unchanged, and taken if all but 1 are. */
#define MASK_SHARE 25u
#define MASK_SURE 100u
/* Level fast takes one from so many of 1,000 unchanged elements on, and tries nothing. */
#define MASK_FAST 125u
#define MASK_BLOCK 64u
#define MASK_BLOCKS 512u
/* Elements on which coding with and without a mask is tried. */
#define TRIAL_BLOCK 1024u
#define TRIAL_BLOCKS 48u
/* A delta must be cheaper than the planes alone by this, in 1/1000. */
#define DELTA_GAIN 995u
/* Level max tries what the sample says to cost up to this more than the cheapest, in 1/1000. */
#define TRIED_FROM 1015u
/* Transforms that a difference may be written by; the last one only for full reads. */
static const int TRANSFORMS[] = {DLV_SUB16, DLV_BSUB, DLV_SUB32};
#define TRANSFORMS_COUNT 3u

static const contexts NO_CONTEXTS = {CONTEXT_NONE, 1, {1, {0}}, {{{0}}}, NULL, NULL, 0, NULL, 0};

/* The elements of a segment that a transform is chosen by. */
typedef struct {
  const uint8_t *const *child;
  const uint8_t *const *base;
  uint32_t width;
  uint32_t n;
  uint32_t blocks; /* of SAMPLE_BLOCK elements; 1: all of them */
  uint8_t *scratch; /* SAMPLE_BLOCK · SAMPLE_BLOCKS_MAX bytes for each plane */
} sample;

static sample sample_of(const encoder *e, const uint8_t *const *child, const uint8_t *const *base,
                        uint32_t n, uint8_t *scratch) {
  const uint32_t blocks = SAMPLE_BLOCKS[e->level];
  const int all = n < SAMPLE_BLOCK * blocks;
  return (sample){child, base, e->width, n, all ? 1 : blocks, scratch};
}

/* Order-0 cost of the leading planes of a transform: planes that are noise count as stored. */
static uint64_t sample_cost(const sample *s, int transform, uint32_t width) {
  const uint8_t *const *child = s->child, *const *base = s->base;
  const uint32_t n = s->n, blocks = s->blocks;
  const uint32_t block = blocks == 1 ? n : SAMPLE_BLOCK;
  uint32_t counts[DLV_WIDTH_MAX][256];
  memset(counts, 0, sizeof counts);
  uint8_t *digits[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) digits[k] = s->scratch + (size_t)k * block;
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
      bulk_histogram(plane, block, counts[k]);
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

/* Costs of RAW and of TRANSFORMS on the sample; UINT64_MAX for those that may not be used. */
static void transform_costs(const sample *s, int no_prefix, uint64_t *costs) {
  costs[0] = sample_cost(s, DLV_RAW, s->width) / 1000 * DELTA_GAIN;
  for (uint32_t i = 0; i < TRANSFORMS_COUNT; i++) {
    const int transform = TRANSFORMS[i];
    const int may =
        dlv_transform_fits(transform, s->width) && (transform != DLV_SUB32 || no_prefix);
    if (!may) {
      costs[i + 1] = UINT64_MAX;
    } else if (transform == DLV_BSUB && s->width > 2) {
      /* Below the first two planes it is SUB16. */
      const uint64_t deep = costs[i] - sample_cost(s, DLV_SUB16, 2);
      costs[i + 1] = deep + sample_cost(s, DLV_BSUB, 2);
    } else {
      costs[i + 1] = sample_cost(s, transform, s->width);
    }
  }
}

static int choose_transform(const sample *s, int no_prefix) {
  uint64_t costs[TRANSFORMS_COUNT + 1];
  transform_costs(s, no_prefix, costs);
  uint32_t best = 0;
  for (uint32_t i = 1; i <= TRANSFORMS_COUNT; i++) {
    if (costs[i] < costs[best]) best = i;
  }
  return best == 0 ? DLV_RAW : TRANSFORMS[best - 1];
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

/* What was written before plane k: where it starts in the head, and in the payload of its class. */
typedef struct {
  size_t head;
  size_t payload;
} plane_start;

/*
 * The first of the deepest planes whose differences were stored as they are: noise, so that the child's
 * own bytes take no more and need no base. `width` if there is none.
 */
static uint32_t first_own(const encoder *e, const plane_start *starts) {
  uint32_t first = e->width;
  while (first > DIFFERENCES_MIN && e->out->head.bytes[starts[first - 1].head] == MODE_STORE)
    first--;
  return first;
}

/* Writes the planes from `first` on again, as they are, and makes the segment one of codec 3. */
static int put_own(encoder *e, const uint8_t *const *child, const plane_start *starts,
                   uint32_t first) {
  dlv_buffer *head = &e->out->head;
  head->length = starts[first].head;
  for (uint32_t k = e->width; k-- > first;) {
    e->out->classes[plane_class(e->width, k)].length = starts[k].payload;
  }
  for (uint32_t k = first; k < e->width; k++) {
    if (aborted_now(e)) return DLV_ERR_ABORTED;
    dlv_buffer *payload = &e->out->classes[plane_class(e->width, k)];
    const int failed = put_plane(e, child[k], e->count, &NO_CONTEXTS, NULL, payload);
    if (failed) return failed;
  }
  /* Codec, transform and flags, then how many planes are differences. */
  const size_t fixed = 3;
  if (buffer_put_byte(head, 0)) return DLV_ERR_MEMORY;
  memmove(head->bytes + fixed + 1, head->bytes + fixed, head->length - fixed - 1);
  head->bytes[fixed] = (uint8_t)first;
  head->bytes[0] = CODEC_RANS_OWN;
  return DLV_OK;
}

/*
 * own_below: the deepest planes may be the child's own where their differences are noise. So a plane of these that
 * is stored is copied only once it is known which it is, if nothing else of its class waits for it.
 */
static int put_planes(encoder *e, int transform, const uint8_t *const *child, int own_below,
                      uint8_t *scratch) {
  plane_start starts[DLV_WIDTH_MAX];
  const uint8_t *planes[DLV_WIDTH_MAX];
  uint8_t *digits[DLV_WIDTH_MAX];
  const uint32_t at_once = dlv_digit_planes(transform, e->width);
  const int may_own = own_below && !e->whole && (transform == DLV_BSUB || transform == DLV_SUB16);
  for (uint32_t k = 0; k < e->width; k++) {
    digits[k] = at_once > 0 ? scratch + (size_t)(k % at_once) * e->count : NULL;
    planes[k] = transform == DLV_RAW ? child[k] : digits[k];
  }
  for (uint32_t k = 0; k < e->width; k++) {
    if (aborted_now(e)) return DLV_ERR_ABORTED;
    dlv_digits_of(transform, child, e->base, e->width, k, e->count, digits);
    const int kind = transform != DLV_RAW ? CONTEXT_BASE : k > 0 ? CONTEXT_OWN : CONTEXT_NONE;
    contexts may;
    set_planes(&may, kind, e->width, k, e->base, child, NULL);
    const uint8_t *above = transform != DLV_RAW && k > 0 ? planes[k - 1] : NULL;
    dlv_buffer *payload = &e->out->classes[plane_class(e->width, k)];
    starts[k] = (plane_start){e->out->head.length, payload->length};
    e->defers = may_own && k >= DIFFERENCES_MIN && is_alone(e->width, k);
    const int failed = put_plane(e, planes[k], e->count, &may, above, payload);
    e->defers = 0;
    if (failed) return failed;
  }
  if (!may_own) return DLV_OK;
  const uint32_t first = first_own(e, starts);
  for (uint32_t k = DIFFERENCES_MIN; k < first; k++) {
    if (!is_alone(e->width, k) || e->out->head.bytes[starts[k].head] != MODE_STORE) continue;
    dlv_digits_of(transform, child, e->base, e->width, k, e->count, digits);
    if (buffer_put(&e->out->classes[plane_class(e->width, k)], planes[k], e->count)) {
      return DLV_ERR_MEMORY;
    }
  }
  return first < e->width ? put_own(e, child, starts, first) : DLV_OK;
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

#define CHOOSE (-1)

/*
 * Encodes all after the codec byte. masked: leave unchanged elements out, unless there are fewer than
 * 8 of them or nothing else. transform: CHOOSE takes the one that costs least on a sample.
 */
static int put_body(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                    uint32_t count, int masked, int transform, int no_prefix) {
  const uint32_t width = e->width;
  const uint8_t *child_now[DLV_WIDTH_MAX], *base_now[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) {
    child_now[k] = planes[k];
    base_now[k] = base ? base[k] : NULL;
  }
  uint8_t *mask = NULL, *packed = NULL, *digits = NULL;
  uint32_t changed = count;
  int failed = DLV_ERR_MEMORY;
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
  if (base == NULL) transform = DLV_RAW;
  if (transform == CHOOSE) {
    uint8_t *scratch = scratch_take((size_t)SAMPLE_BLOCK * SAMPLE_BLOCKS_MAX * width);
    if (scratch == NULL) goto done;
    const sample s = sample_of(e, child_now, base_now, e->count, scratch);
    transform = choose_transform(&s, no_prefix);
    scratch_give(scratch);
  }
  const uint32_t planes_at_once = dlv_digit_planes(transform, width);
  if (planes_at_once > 0) {
    digits = scratch_take((size_t)planes_at_once * e->count);
    if (digits == NULL) goto done;
  }
  e->transform = transform;
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
  if (!failed) failed = put_planes(e, transform, child_now, !masked, digits);
done:
  scratch_give(digits);
  scratch_give(mask);
  scratch_give(packed);
  return failed;
}

/* How a trial came out: cost in 1/65536 bit, and the transform that was chosen. */
typedef struct {
  uint64_t cost;
  int transform;
} outcome;

/* Codes `count` elements of `whole` with a mask or without, and writes nothing. */
static int try_masked(const encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                      uint32_t count, uint32_t whole, int masked, int no_prefix, outcome *found) {
  dlv_encoded nothing;
  memset(&nothing, 0, sizeof nothing);
  encoder trial = *e;
  trial.out = &nothing;
  trial.sampled = count;
  trial.whole = whole;
  trial.cost = 0;
  const int failed = put_body(&trial, planes, base, count, masked, CHOOSE, no_prefix);
  *found = (outcome){trial.cost, trial.transform};
  dlv_encoded_free(&nothing);
  return failed;
}

/* Whether a mask pays, tried on blocks spread over the segment, and the transform that goes with it. */
static int try_sample(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                      uint32_t count, int no_prefix, int *masked, int *transform) {
  const int all = count <= TRIAL_BLOCK * TRIAL_BLOCKS;
  const uint32_t n = all ? count : TRIAL_BLOCK * TRIAL_BLOCKS;
  uint8_t *memory = all ? NULL : scratch_take((size_t)2 * e->width * n);
  if (memory == NULL && !all) return DLV_ERR_MEMORY;
  const uint8_t *c[DLV_WIDTH_MAX], *p[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < e->width; k++) {
    c[k] = planes[k];
    p[k] = base[k];
    if (all) continue;
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
  outcome found[2];
  int failed = try_masked(e, c, p, n, count, 0, no_prefix, &found[0]);
  if (!failed) failed = try_masked(e, c, p, n, count, 1, no_prefix, &found[1]);
  if (!failed) {
    *masked = found[1].cost < found[0].cost;
    *transform = found[*masked].transform;
  }
  scratch_give(memory);
  return failed;
}

static uint64_t encoded_bytes(const dlv_encoded *out) {
  uint64_t bytes = out->head.length;
  for (int c = 0; c < 3; c++) bytes += out->classes[c].length;
  return bytes;
}

/* Leaves in e->out the smaller of that and another, and frees the larger. */
static void keep_smaller(encoder *e, dlv_encoded *other) {
  if (encoded_bytes(other) < encoded_bytes(e->out)) {
    const dlv_encoded smaller = *other;
    *other = *e->out;
    *e->out = smaller;
  }
  dlv_encoded_free(other);
}

/* Level max: encodes with each transform that comes near, with a mask and without. */
static int put_smallest(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                        int may_mask, int no_prefix) {
  const uint32_t count = e->count;
  uint8_t *scratch = scratch_take((size_t)SAMPLE_BLOCK * SAMPLE_BLOCKS_MAX * e->width);
  if (scratch == NULL) return DLV_ERR_MEMORY;
  uint64_t costs[TRANSFORMS_COUNT + 1];
  const sample s = sample_of(e, planes, base, count, scratch);
  transform_costs(&s, no_prefix, costs);
  scratch_give(scratch);
  uint64_t best = costs[0];
  for (uint32_t i = 1; i <= TRANSFORMS_COUNT; i++) best = costs[i] < best ? costs[i] : best;
  int any = 0, failed = DLV_OK;
  for (uint32_t i = 0; i <= TRANSFORMS_COUNT && !failed; i++) {
    if (costs[i] > best / 1000 * TRIED_FROM) continue;
    for (int masked = 0; masked <= may_mask && !failed; masked++) {
      dlv_encoded other;
      memset(&other, 0, sizeof other);
      encoder attempt = *e;
      attempt.out = &other;
      failed = buffer_put_byte(&other.head, CODEC_RANS);
      const int transform = i == 0 ? DLV_RAW : TRANSFORMS[i - 1];
      if (!failed) failed = put_body(&attempt, planes, base, count, masked, transform, no_prefix);
      if (any || failed) {
        if (failed) dlv_encoded_free(&other);
        else keep_smaller(e, &other);
      } else {
        dlv_encoded_free(e->out);
        *e->out = other;
        any = 1;
      }
    }
  }
  return failed;
}

/* Encodes planes that differ from the base's, or have none, as planes. */
static int put_differing(encoder *e, const uint8_t *const *planes, const uint8_t *const *base,
                         int no_prefix) {
  const uint32_t count = e->count;
  int masked = 0, transform = CHOOSE;
  if (base) {
    const uint32_t share = unchanged_share(planes, base, e->width, count);
    const int may_mask = share >= 1000 / MASK_SHARE;
    if (share >= 1000 - 1000 / MASK_SURE) {
      masked = 1;
    } else if (e->level == DLV_LEVEL_FAST) {
      masked = share >= MASK_FAST;
    } else if (e->level == DLV_LEVEL_MAX) {
      return put_smallest(e, planes, base, may_mask, no_prefix);
    } else if (may_mask) {
      const int failed = try_sample(e, planes, base, count, no_prefix, &masked, &transform);
      if (failed) return failed;
    }
  }
  return put_body(e, planes, base, count, masked, transform, no_prefix);
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
    if (failed) dlv_encoded_free(&other);
    else keep_smaller(e, &other);
  }
  scratch_give(indices);
  return failed;
}

int dlv_segment_encode(const uint8_t *const *planes, const uint8_t *const *base, uint32_t count,
                       uint32_t width, int level, int no_prefix, const volatile int32_t *aborted,
                       dlv_encoded *out) {
  if (width == 0 || width > DLV_WIDTH_MAX || count == 0 || count > DLV_SEGMENT_ELEMENTS ||
      level < DLV_LEVEL_FAST || level > DLV_LEVEL_MAX) {
    return DLV_ERR_ARGUMENT;
  }
  encoder e = {width, count, level,   DLV_RAW, NULL, out,  0,   0,
               0,     0,     aborted, NULL,    NULL, NULL, NULL};
  stats_prepare();
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
