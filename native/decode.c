/* Decoding of a segment: docs/format/codec.md, codecs 2 and 3. Every byte of the input is hostile. */
#include <stdlib.h>
#include <string.h>

#include "palette.h"
#include "segment.h"
#include "table.h"

typedef struct {
  uint32_t width;
  uint32_t count; /* elements that are coded */
  uint32_t differences; /* planes that are differences from the base's: all, or the leading ones */
  const uint8_t *const *base;
  dlv_input head;
  dlv_input classes[3];
  uint32_t *entries; /* RANS_CLASSES_MAX × RANS_TOTAL */
  uint8_t *rows; /* BLOCK_ELEMENTS */
} decoder;

/* Reads how the contexts of a coded plane are cut into classes, and which table each class has. */
static int read_contexts(dlv_input *head, contexts *c) {
  c->tables = 1;
  if (c->kind == CONTEXT_NONE) return DLV_OK;
  uint8_t more;
  if (input_byte(head, &more) || more >= RANS_CLASSES_MAX) return DLV_ERR_CORRUPT;
  c->cut.classes = c->tables = more + 1u;
  for (uint32_t class = 0; class < more; class++) {
    uint8_t last;
    if (input_byte(head, &last) || last == 255) return DLV_ERR_CORRUPT;
    if (class > 0 && last <= c->cut.last[class - 1]) return DLV_ERR_CORRUPT;
    c->cut.last[class] = last;
  }
  if (c->kind != CONTEXT_ABOVE) return DLV_OK;
  memset(&c->map, 0, sizeof c->map);
  uint8_t largest = 0;
  for (uint32_t class = 0; class <= more; class++) {
    for (uint32_t u = 0; u < 4; u += 2) {
      uint8_t two;
      if (input_byte(head, &two)) return DLV_ERR_CORRUPT;
      c->map.table[u][class] = two & 15;
      c->map.table[u + 1][class] = two >> 4;
      if ((two & 15) > largest) largest = two & 15;
      if (two >> 4 > largest) largest = two >> 4;
    }
  }
  c->tables = largest + 1u;
  return DLV_OK;
}

/* The planes that may tell contexts; NULL where there are none. */
typedef struct {
  uint32_t k; /* the plane to decode */
  const uint8_t *const *base; /* of a difference */
  const uint8_t *const *own; /* of raw planes: those decoded before */
  const uint8_t *above; /* of a difference: the digits of the plane above */
} known_planes;

static int read_coded(decoder *d, uint32_t n, const known_planes *known, dlv_input *payload,
                      uint8_t *out) {
  uint8_t kind;
  contexts c;
  if (input_byte(&d->head, &kind) || kind > CONTEXT_ABOVE) return DLV_ERR_CORRUPT;
  if (!set_planes(&c, kind, d->width, known->k, known->base, known->own, known->above)) {
    return DLV_ERR_CORRUPT;
  }
  if (read_contexts(&d->head, &c)) return DLV_ERR_CORRUPT;
  rans_table tables[RANS_CLASSES_MAX];
  uint64_t length;
  if (table_read(&d->head, tables, c.tables) || input_varint(&d->head, &length)) {
    return DLV_ERR_CORRUPT;
  }
  if (out == NULL) return DLV_OK;
  const uint8_t *bytes;
  rans_reader reader;
  if (length > rans_bound(n) || input_take(payload, (size_t)length, &bytes)) {
    return DLV_ERR_CORRUPT;
  }
  if (rans_open(&reader, bytes, (size_t)length, n)) return DLV_ERR_CORRUPT;
  for (uint32_t t = 0; t < c.tables; t++) rans_decoder(&tables[t], d->entries + t * RANS_TOTAL);
  for (uint32_t from = 0; from < n; from += BLOCK_ELEMENTS) {
    const uint32_t part = n - from < BLOCK_ELEMENTS ? n - from : BLOCK_ELEMENTS;
    find_classes(&c, from, part, d->rows);
    const uint8_t *rows = kind == CONTEXT_NONE ? NULL : d->rows;
    if (rans_decode(&reader, rows, part, d->entries, out + from)) return DLV_ERR_CORRUPT;
  }
  return rans_close(&reader) ? DLV_ERR_CORRUPT : DLV_OK;
}

static const known_planes NO_PLANES = {0, NULL, NULL, NULL};

/*
 * Reads the description of one plane and, if `out` is not NULL, decodes it into `n` bytes. A plane
 * that is not wanted is only skipped in the head: its payload may be absent.
 */
static int read_plane(decoder *d, uint32_t n, const known_planes *known, dlv_input *payload,
                      uint8_t *out) {
  uint8_t mode;
  if (input_byte(&d->head, &mode)) return DLV_ERR_CORRUPT;
  const uint8_t *bytes;
  if (mode == MODE_CONST) {
    uint8_t value;
    if (input_byte(&d->head, &value)) return DLV_ERR_CORRUPT;
    if (out) memset(out, value, n);
    return DLV_OK;
  }
  if (mode == MODE_STORE) {
    if (out == NULL) return DLV_OK;
    if (input_take(payload, n, &bytes)) return DLV_ERR_CORRUPT;
    memcpy(out, bytes, n);
    return DLV_OK;
  }
  if (mode != MODE_RANS) return DLV_ERR_CORRUPT;
  return read_coded(d, n, known, payload, out);
}

/* How a head starts. */
typedef struct {
  uint8_t transform;
  uint8_t flags;
  uint8_t differences; /* planes that are differences from the base's; DLV_WIDTH_MAX: all of them */
} head_start;

/* Reads codec, transform and flags, and of codec 3 how many planes are differences. */
static int read_start(dlv_input *head, head_start *start) {
  uint8_t codec;
  start->differences = DLV_WIDTH_MAX;
  if (input_byte(head, &codec) || (codec != CODEC_RANS && codec != CODEC_RANS_OWN)) {
    return DLV_ERR_CORRUPT;
  }
  if (input_byte(head, &start->transform) || start->transform > DLV_PALETTE) return DLV_ERR_CORRUPT;
  if (input_byte(head, &start->flags) || start->flags > FLAG_MASK) return DLV_ERR_CORRUPT;
  if (start->transform >= DLV_SAME && start->flags != 0) return DLV_ERR_CORRUPT;
  if (codec == CODEC_RANS) return DLV_OK;
  if (start->transform != DLV_BSUB && start->transform != DLV_SUB16) return DLV_ERR_CORRUPT;
  if (start->flags != 0 || input_byte(head, &start->differences)) return DLV_ERR_CORRUPT;
  return start->differences < DIFFERENCES_MIN ? DLV_ERR_CORRUPT : DLV_OK;
}

/* 1 if the transform, and the planes that are differences, are possible for elements of this width. */
static int start_fits(const head_start *start, uint32_t width) {
  if (!dlv_transform_fits(start->transform, width)) return 0;
  return start->differences == DLV_WIDTH_MAX || start->differences < width;
}

static int needs_base(const head_start *start) {
  return (start->transform != DLV_RAW && start->transform != DLV_PALETTE) || start->flags != 0;
}

/* Planes of the base that the first `wanted` planes are made of. */
static uint32_t base_planes_of(const head_start *start, uint32_t wanted) {
  if (!needs_base(start)) return 0;
  return wanted < start->differences ? wanted : start->differences;
}

int dlv_segment_base_planes(const uint8_t *head, size_t head_length, uint32_t width,
                            uint32_t wanted) {
  dlv_input input = {head, head + head_length};
  head_start start;
  if (width == 0 || width > DLV_WIDTH_MAX || wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  if (read_start(&input, &start) || !start_fits(&start, width)) return DLV_ERR_CORRUPT;
  return (int)base_planes_of(&start, dlv_transform_stop(start.transform, width, wanted));
}

int dlv_segment_stop(const uint8_t *head, size_t head_length, uint32_t width, uint32_t wanted) {
  dlv_input input = {head, head + head_length};
  head_start start;
  if (width == 0 || width > DLV_WIDTH_MAX || wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  if (read_start(&input, &start) || !start_fits(&start, width)) return DLV_ERR_CORRUPT;
  return (int)dlv_transform_stop(start.transform, width, wanted);
}

/* Decodes all planes of the head, the first `wanted` into `out`. */
static int read_planes(decoder *d, int transform, uint32_t wanted, uint8_t *const *out) {
  for (uint32_t k = 0; k < d->width; k++) {
    /* What is above a plane that is not wanted is not looked at. */
    const known_planes delta = {k, d->base, NULL, out[k > 0 && k < wanted ? k - 1 : 0]};
    const known_planes raw = {k, NULL, (const uint8_t *const *)out, NULL};
    const known_planes own = {k, NULL, NULL, NULL};
    const known_planes *known = transform == DLV_RAW ? &raw : k < d->differences ? &delta : &own;
    dlv_input *payload = &d->classes[plane_class(d->width, k)];
    const int failed = read_plane(d, d->count, known, payload, k < wanted ? out[k] : NULL);
    if (failed) return failed;
  }
  if (d->head.at != d->head.end) return DLV_ERR_CORRUPT;
  const uint32_t differences = wanted < d->differences ? wanted : d->differences;
  if (transform != DLV_RAW) dlv_undigits(transform, out, d->base, differences, d->count);
  return DLV_OK;
}

static int decode_masked(decoder *d, int transform, uint32_t count, uint32_t wanted,
                         uint8_t *const *planes) {
  uint64_t changed;
  if (input_varint(&d->head, &changed) || changed == 0 || changed >= count) return DLV_ERR_CORRUPT;
  const uint32_t n = (uint32_t)changed;
  const uint32_t mask_bytes = (count + 7) / 8;
  uint8_t *mask = scratch_take(mask_bytes);
  uint8_t *memory = scratch_take((size_t)2 * wanted * n + BULK_SLACK);
  int failed = DLV_ERR_MEMORY;
  if (mask == NULL || memory == NULL) goto done;
  failed = read_plane(d, mask_bytes, &NO_PLANES, &d->classes[0], mask);
  if (failed) goto done;
  failed = DLV_ERR_CORRUPT;
  if (bulk_count(mask, count) != n || (count & 7 && mask[mask_bytes - 1] >> (count & 7))) {
    goto done;
  }
  const uint8_t *base_now[DLV_WIDTH_MAX];
  uint8_t *values[DLV_WIDTH_MAX];
  const uint8_t *const *base = d->base;
  for (uint32_t k = 0; k < wanted; k++) {
    uint8_t *b = memory + (size_t)k * n;
    bulk_compact(base[k], mask, count, b);
    base_now[k] = b;
    values[k] = memory + (size_t)(wanted + k) * n;
  }
  d->base = base_now;
  d->count = n;
  failed = read_planes(d, transform, wanted, values);
  if (failed) goto done;
  for (uint32_t k = 0; k < wanted; k++) bulk_expand(values[k], base[k], mask, count, planes[k]);
done:
  scratch_give(mask);
  scratch_give(memory);
  return failed;
}

/* Reads the values, most significant plane first, and the plane of indices. */
static int decode_palette(decoder *d, uint32_t wanted, uint8_t *const *planes) {
  palette values;
  uint8_t more;
  if (input_byte(&d->head, &more)) return DLV_ERR_CORRUPT;
  values.size = more + 1u;
  for (uint32_t k = 0; k < d->width; k++) {
    const uint8_t *bytes;
    if (input_take(&d->head, values.size, &bytes)) return DLV_ERR_CORRUPT;
    memcpy(values.bytes[k], bytes, values.size);
  }
  uint8_t *indices = scratch_take(d->count);
  if (indices == NULL) return DLV_ERR_MEMORY;
  int failed = read_plane(d, d->count, &NO_PLANES, &d->classes[0], indices);
  if (!failed && (d->head.at != d->head.end || palette_exceeded(&values, indices, d->count))) {
    failed = DLV_ERR_CORRUPT;
  }
  if (!failed) palette_apply(&values, indices, d->count, wanted, planes);
  scratch_give(indices);
  return failed;
}

int dlv_segment_decode(const uint8_t *head, size_t head_length, const uint8_t *const *classes,
                       const size_t *class_lengths, const uint8_t *const *base,
                       uint32_t base_planes, uint32_t count, uint32_t width, uint32_t wanted,
                       uint8_t *const *planes) {
  if (width == 0 || width > DLV_WIDTH_MAX || count == 0 || count > DLV_SEGMENT_ELEMENTS ||
      wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  decoder d = {width, count, width, base, {head, head + head_length}, {{NULL, NULL}}, NULL, NULL};
  for (int c = 0; c < 3; c++) {
    d.classes[c].at = classes[c];
    d.classes[c].end = classes[c] + class_lengths[c];
  }
  head_start start;
  if (read_start(&d.head, &start) || !start_fits(&start, width)) return DLV_ERR_CORRUPT;
  const int transform = start.transform;
  if (dlv_transform_stop(transform, width, wanted) != wanted) return DLV_ERR_ARGUMENT;
  if (base_planes_of(&start, wanted) > (base ? base_planes : 0)) return DLV_ERR_BASE;
  if (start.differences < width) d.differences = start.differences;
  if (transform == DLV_SAME) {
    if (d.head.at != d.head.end) return DLV_ERR_CORRUPT;
    for (uint32_t k = 0; k < wanted; k++) memcpy(planes[k], base[k], count);
    return DLV_OK;
  }
  d.entries = scratch_take(sizeof *d.entries * RANS_CLASSES_MAX * RANS_TOTAL);
  d.rows = scratch_take(BLOCK_ELEMENTS);
  int failed = DLV_ERR_MEMORY;
  if (d.entries && d.rows) {
    if (transform == DLV_PALETTE) failed = decode_palette(&d, wanted, planes);
    else if (start.flags & FLAG_MASK) failed = decode_masked(&d, transform, count, wanted, planes);
    else failed = read_planes(&d, transform, wanted, planes);
  }
  scratch_give(d.entries);
  scratch_give(d.rows);
  return failed;
}
