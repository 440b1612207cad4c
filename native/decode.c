/* Decoding of a whole segment: docs/format/codec.md, codecs 2 and 3. Input is hostile. */
#include <stdlib.h>
#include <string.h>

#include "palette.h"
#include "reader.h"

int dlv_segment_base_planes(const uint8_t *head, size_t head_length, uint32_t width,
                            uint32_t wanted) {
  dlv_input input = {head, head + head_length};
  head_start start;
  if (width == 0 || width > DLV_WIDTH_MAX || wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  if (head_read_start(&input, &start) || !head_fits(&start, width)) return DLV_ERR_CORRUPT;
  return (int)head_base_planes(&start, dlv_transform_stop(start.transform, width, wanted));
}

int dlv_segment_stop(const uint8_t *head, size_t head_length, uint32_t width, uint32_t wanted) {
  dlv_input input = {head, head + head_length};
  head_start start;
  if (width == 0 || width > DLV_WIDTH_MAX || wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  if (head_read_start(&input, &start) || !head_fits(&start, width)) return DLV_ERR_CORRUPT;
  return (int)dlv_transform_stop(start.transform, width, wanted);
}

/* A segment in memory whose head was begun. */
typedef struct {
  dlv_input head;
  dlv_input classes[3];
  head_start start;
  uint32_t width, count;
} decoder;

/* Sets up a reader of `count` elements of the payloads that are left; what it answers is freed by reader_end. */
static int open_reader(decoder *d, uint32_t count, uint32_t wanted, int has_base,
                       segment_reader *r) {
  memset(r, 0, sizeof *r);
  r->width = d->width;
  r->count = count;
  r->wanted = wanted;
  r->transform = d->start.transform;
  r->differences = d->start.differences < d->width ? d->start.differences : d->width;
  for (int c = 0; c < 3; c++) {
    r->classes[c] = (payload){d->classes[c].at, (uint64_t)(d->classes[c].end - d->classes[c].at)};
  }
  return reader_open(r, &d->head, has_base);
}

static int decode_planes(decoder *d, uint32_t count, uint32_t wanted, const uint8_t *const *base,
                         uint8_t *const *planes) {
  segment_reader r;
  int failed = open_reader(d, count, wanted, base != NULL, &r);
  if (!failed) failed = reader_all(&r, base, planes);
  reader_end(&r);
  return failed;
}

static int decode_masked(decoder *d, const uint8_t *const *base, uint32_t wanted,
                         uint8_t *const *planes) {
  uint64_t changed;
  const uint32_t count = d->count;
  if (input_varint(&d->head, &changed) || changed == 0 || changed >= count) return DLV_ERR_CORRUPT;
  const uint32_t n = (uint32_t)changed;
  const uint32_t mask_bytes = (count + 7) / 8;
  uint8_t *mask = scratch_take(mask_bytes);
  uint8_t *memory = scratch_take((size_t)2 * wanted * n + BULK_SLACK);
  int failed = DLV_ERR_MEMORY;
  if (mask == NULL || memory == NULL) goto done;
  failed = read_plane_alone(&d->head, &d->classes[0], mask_bytes, mask);
  if (failed) goto done;
  failed = DLV_ERR_CORRUPT;
  if (bulk_count(mask, count) != n || (count & 7 && mask[mask_bytes - 1] >> (count & 7))) {
    goto done;
  }
  const uint8_t *base_now[DLV_WIDTH_MAX];
  uint8_t *values[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < wanted; k++) {
    uint8_t *b = memory + (size_t)k * n;
    bulk_compact(base[k], mask, count, b);
    base_now[k] = b;
    values[k] = memory + (size_t)(wanted + k) * n;
  }
  failed = decode_planes(d, n, wanted, base_now, values);
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
  int failed = read_plane_alone(&d->head, &d->classes[0], d->count, indices);
  if (!failed && (d->head.at != d->head.end || palette_exceeded(&values, indices, d->count))) {
    failed = DLV_ERR_CORRUPT;
  }
  if (!failed) palette_apply(&values, indices, d->count, wanted, planes);
  scratch_give(indices);
  return failed;
}

/* Begins a head and checks what is given against it. */
static int begin_segment(decoder *d, const dlv_coded *coded, uint32_t base_planes, uint32_t count,
                         uint32_t width, uint32_t wanted) {
  if (width == 0 || width > DLV_WIDTH_MAX || count == 0 || count > DLV_SEGMENT_ELEMENTS ||
      wanted == 0 || wanted > width) {
    return DLV_ERR_ARGUMENT;
  }
  memset(d, 0, sizeof *d);
  d->width = width;
  d->count = count;
  d->head = (dlv_input){coded->head, coded->head + coded->head_length};
  for (int c = 0; c < 3; c++) {
    d->classes[c] = (dlv_input){coded->classes[c], coded->classes[c] + coded->class_lengths[c]};
  }
  if (head_read_start(&d->head, &d->start) || !head_fits(&d->start, width)) return DLV_ERR_CORRUPT;
  if (dlv_transform_stop(d->start.transform, width, wanted) != wanted) return DLV_ERR_ARGUMENT;
  return head_base_planes(&d->start, wanted) > base_planes ? DLV_ERR_BASE : DLV_OK;
}

int dlv_segment_decode(const uint8_t *head, size_t head_length, const uint8_t *const *classes,
                       const size_t *class_lengths, const uint8_t *const *base,
                       uint32_t base_planes, uint32_t count, uint32_t width, uint32_t wanted,
                       uint8_t *const *planes) {
  const dlv_coded coded = {head, head_length, classes, class_lengths};
  decoder d;
  const int failed = begin_segment(&d, &coded, base ? base_planes : 0, count, width, wanted);
  if (failed) return failed;
  if (d.start.transform == DLV_SAME) {
    if (d.head.at != d.head.end) return DLV_ERR_CORRUPT;
    for (uint32_t k = 0; k < wanted; k++) memcpy(planes[k], base[k], count);
    return DLV_OK;
  }
  if (d.start.transform == DLV_PALETTE) return decode_palette(&d, wanted, planes);
  if (d.start.flags & FLAG_MASK) return decode_masked(&d, base, wanted, planes);
  return decode_planes(&d, count, wanted, d.start.transform == DLV_RAW ? NULL : base, planes);
}

/* Decodes block by block and compares, without memory for all of it. */
static int verify_blocks(decoder *d, const uint8_t *const *base, const uint8_t *const *planes) {
  segment_reader r;
  const uint32_t width = d->width;
  uint8_t *memory = scratch_take((size_t)width * BLOCK_ELEMENTS);
  int failed = open_reader(d, d->count, width, base != NULL, &r);
  if (memory == NULL) failed = DLV_ERR_MEMORY;
  for (uint32_t from = 0; from < d->count && !failed; from += BLOCK_ELEMENTS) {
    const uint32_t n = d->count - from < BLOCK_ELEMENTS ? d->count - from : BLOCK_ELEMENTS;
    const uint8_t *base_at[DLV_WIDTH_MAX];
    uint8_t *out[DLV_WIDTH_MAX];
    for (uint32_t k = 0; k < width; k++) {
      base_at[k] = base && k < r.differences ? base[k] + from : NULL;
      out[k] = memory + (size_t)k * BLOCK_ELEMENTS;
      const plane_reader *p = &r.planes[k];
      const int is_own = r.transform == DLV_RAW || k >= r.differences;
      /* Compared where it is. */
      if (p->mode == MODE_STORE && is_own) out[k] = (uint8_t *)(uintptr_t)p->bytes + from;
    }
    failed = reader_block(&r, from, n, base ? base_at : NULL, out);
    for (uint32_t k = 0; k < width && !failed; k++) {
      /* A payload that is the plane itself has no difference from it. */
      if (out[k] == planes[k] + from) continue;
      if (memcmp(out[k], planes[k] + from, n) != 0) failed = DLV_ERR_DIFFERS;
    }
  }
  if (!failed) failed = reader_close(&r);
  reader_end(&r);
  scratch_give(memory);
  return failed;
}

int dlv_segment_verify(const dlv_coded *coded, const uint8_t *const *base, uint32_t count,
                       uint32_t width, const uint8_t *const *planes) {
  decoder d;
  int failed = begin_segment(&d, coded, base ? width : 0, count, width, width);
  if (failed) return failed;
  const int is_whole = d.start.transform == DLV_SAME || d.start.transform == DLV_PALETTE ||
                       (d.start.flags & FLAG_MASK) != 0;
  if (!is_whole) {
    return verify_blocks(&d, d.start.transform == DLV_RAW ? NULL : base, planes);
  }
  uint8_t *memory = scratch_take((size_t)width * count);
  if (memory == NULL) return DLV_ERR_MEMORY;
  uint8_t *out[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) out[k] = memory + (size_t)k * count;
  failed = dlv_segment_decode(coded->head, coded->head_length, coded->classes, coded->class_lengths,
                              base, base ? width : 0, count, width, width, out);
  for (uint32_t k = 0; k < width && !failed; k++) {
    if (memcmp(out[k], planes[k], count) != 0) failed = DLV_ERR_DIFFERS;
  }
  scratch_give(memory);
  return failed;
}
