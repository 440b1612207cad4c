/*
 * Encoding of one plane: constant, stored, or rANS with classes of contexts. What to do is decided on
 * a sample; the tables are made of all symbols, and the result is weighed again with them.
 */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "stats.h"
#include "table.h"

/* Symbols that are looked at to decide: blocks spread over the plane; level max looks at all. */
#define SAMPLE_BLOCK 1024u
#define SAMPLE_BLOCKS 64u
/* Bits of a plane that is not worth coding, in 1/1000 of 8. */
static const uint32_t STORE_FROM[3] = {950, 990, 999};
/* Classes of a context, and groups of contexts to find them in. */
static const uint32_t CLASSES[3] = {1, 8, RANS_CLASSES_MAX};
static const uint32_t GROUPS[3] = {1, 32, 64};
/* A class has to save so much of a plane, in 1/1000, since reading it costs time. */
#define CONTEXT_GAIN 1

typedef struct {
  int kind;
  const uint8_t *own;
  bulk_cut cut;
} contexts;

static void find_classes(const encoder *e, const contexts *c, uint32_t from, uint32_t n,
                         uint8_t *out) {
  if (c->kind == CONTEXT_BASE) base_classes(e->base, e->width, from, n, &c->cut, out);
  if (c->kind == CONTEXT_OWN) bulk_classes(c->own + from, NULL, 0, n, &c->cut, out);
}

/* Counts of a sample per context: rows of e->counts; answers how many symbols were counted. */
static uint32_t sample_contexts(encoder *e, const uint8_t *plane, uint32_t n, int kind,
                                const uint8_t *own) {
  memset(e->counts, 0, 65536 * sizeof *e->counts);
  const int all = e->level == DLV_LEVEL_MAX || n <= SAMPLE_BLOCK * SAMPLE_BLOCKS;
  const uint32_t blocks = all ? 1 : SAMPLE_BLOCKS;
  const uint32_t block = all ? n : SAMPLE_BLOCK;
  for (uint32_t b = 0; b < blocks; b++) {
    const uint32_t from = sample_from(n, block, blocks, b);
    const uint8_t *p = plane + from;
    const uint8_t *p0 = kind == CONTEXT_OWN ? own + from : e->base ? e->base[0] + from : p;
    if (kind == CONTEXT_NONE) {
      bulk_histogram(p, NULL, block, e->counts, e->parts);
    } else if (kind == CONTEXT_OWN) {
      for (uint32_t i = 0; i < block; i++) e->counts[(uint32_t)(uint8_t)(p0[i] << 1) << 8 | p[i]]++;
    } else if (e->width == 1) {
      for (uint32_t i = 0; i < block; i++) e->counts[(uint32_t)p0[i] << 8 | p[i]]++;
    } else {
      const uint8_t *p1 = e->base[1] + from;
      for (uint32_t i = 0; i < block; i++) {
        e->counts[(uint32_t)(uint8_t)(p0[i] << 1 | p1[i] >> 7) << 8 | p[i]]++;
      }
    }
  }
  return blocks * block;
}

static int put_stored(encoder *e, const uint8_t *plane, uint32_t n, dlv_buffer *payload) {
  const int failed = buffer_put_byte(&e->out->head, MODE_STORE);
  return failed ? failed : buffer_put(payload, plane, n);
}

/* Counts of all symbols per class, at the start of e->counts. */
static void count_all(encoder *e, const uint8_t *plane, uint32_t n, const contexts *c) {
  memset(e->counts, 0, RANS_CLASSES_MAX * 256 * sizeof *e->counts);
  for (uint32_t from = 0; from < n; from += DLV_CHUNK_ELEMENTS) {
    const uint32_t part = n - from < DLV_CHUNK_ELEMENTS ? n - from : DLV_CHUNK_ELEMENTS;
    find_classes(e, c, from, part, e->classes);
    const uint8_t *rows = c->kind == CONTEXT_NONE ? NULL : e->classes;
    bulk_histogram(plane + from, rows, part, e->counts, e->parts);
  }
}

/* Writes a plane with the tables of e->counts. */
static int put_coded(encoder *e, const uint8_t *plane, uint32_t n, const contexts *c,
                     dlv_buffer *payload) {
  dlv_buffer *head = &e->out->head;
  rans_table tables[RANS_CLASSES_MAX];
  int failed = buffer_put_byte(head, MODE_RANS) || buffer_put_byte(head, (uint8_t)c->kind);
  if (c->kind != CONTEXT_NONE) {
    failed |= buffer_put_byte(head, (uint8_t)(c->cut.classes - 1));
    failed |= buffer_put(head, c->cut.last, c->cut.classes - 1);
  }
  for (uint32_t class = 0; class < c->cut.classes; class++) {
    uint32_t *counts = e->counts + 256 * class;
    uint32_t any = 0;
    for (int s = 0; s < 256; s++) any |= counts[s];
    if (!any) counts[0] = 1;
    rans_normalize(counts, &tables[class]);
    rans_encoder(&tables[class], e->symbols + (class << 8));
  }
  if (failed || table_write(tables, c->cut.classes, head)) return DLV_ERR_MEMORY;
  for (uint32_t from = 0; from < n; from += DLV_CHUNK_ELEMENTS) {
    if (aborted_now(e)) return DLV_ERR_ABORTED;
    const uint32_t part = n - from < DLV_CHUNK_ELEMENTS ? n - from : DLV_CHUNK_ELEMENTS;
    find_classes(e, c, from, part, e->classes);
    uint8_t *to = buffer_reserve(payload, rans_bound(part));
    if (to == NULL) return DLV_ERR_MEMORY;
    const uint8_t *rows = c->kind == CONTEXT_NONE ? NULL : e->classes;
    const size_t length = rans_encode(plane + from, rows, part, e->symbols, to);
    payload->length += length;
    if (buffer_put_varint(head, length)) return DLV_ERR_MEMORY;
  }
  return DLV_OK;
}

int put_plane(encoder *e, const uint8_t *plane, uint32_t n, int kind, const uint8_t *own,
              dlv_buffer *payload) {
  if (memcmp(plane, plane + 1, n - 1) == 0) {
    if (buffer_put_byte(&e->out->head, MODE_CONST)) return DLV_ERR_MEMORY;
    return buffer_put_byte(&e->out->head, plane[0]);
  }
  if (e->level == DLV_LEVEL_FAST) kind = CONTEXT_NONE;
  const uint32_t sampled = sample_contexts(e, plane, n, kind, own);
  uint32_t plain[256] = {0};
  for (int c = 0; c < (kind == CONTEXT_NONE ? 1 : 256); c++) {
    for (int s = 0; s < 256; s++) plain[s] += e->counts[c << 8 | s];
  }
  const uint64_t stored = (uint64_t)sampled * 8 * COST_ONE;
  const uint64_t limit = stored / 1000 * STORE_FROM[e->level];
  uint64_t best = stats_cost(plain) + stats_table_cost(plain) * sampled / n;
  contexts chosen = {CONTEXT_NONE, own, {1, {0}}};
  /* A plane of pure noise hides no context worth the search. */
  if (kind != CONTEXT_NONE && best < stored / 1000 * 999) {
    stats_split split;
    const int failed = stats_find_split(e->counts, CLASSES[e->level], GROUPS[e->level], sampled, n,
                                        &split);
    if (failed) return failed;
    if (split.cut.classes > 1 && split.cost + stored / 1000 * CONTEXT_GAIN < best) {
      best = split.cost;
      chosen.kind = kind;
      chosen.cut = split.cut;
    }
  }
  if (best >= limit) return put_stored(e, plane, n, payload);
  if (aborted_now(e)) return DLV_ERR_ABORTED;
  count_all(e, plane, n, &chosen);
  uint64_t cost = 0;
  for (uint32_t class = 0; class < chosen.cut.classes; class++) {
    cost += stats_cost(e->counts + 256 * class) + stats_table_cost(e->counts + 256 * class);
  }
  if (cost >= (uint64_t)n * 8 * COST_ONE / 1000 * STORE_FROM[e->level]) {
    return put_stored(e, plane, n, payload);
  }
  return put_coded(e, plane, n, &chosen, payload);
}
