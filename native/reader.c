/* Blocks of a segment: see reader.h. Input is hostile. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

/* Most bytes that a block takes, with those that are looked at beyond. */
#define BLOCK_BYTES_MAX (2u * BLOCK_ELEMENTS + RANS_ROUND_BYTES)
/* Bytes of a file that are read at once, and room for what is left of those before. */
#define WINDOW_READ (64u * 1024u)
#define WINDOW_BYTES (WINDOW_READ + BLOCK_BYTES_MAX)

int head_read_start(dlv_input *head, head_start *start) {
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

int head_fits(const head_start *start, uint32_t width) {
  if (!dlv_transform_fits(start->transform, width)) return 0;
  return start->differences == DLV_WIDTH_MAX || start->differences < width;
}

static int needs_base(const head_start *start) {
  return (start->transform != DLV_RAW && start->transform != DLV_PALETTE) || start->flags != 0;
}

uint32_t head_base_planes(const head_start *start, uint32_t wanted) {
  if (!needs_base(start)) return 0;
  return wanted < start->differences ? wanted : start->differences;
}

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

/* Reads more of the payload into the window of a plane: the next block finds all that it can take. */
static int refill(segment_reader *r, uint32_t k) {
  plane_reader *p = &r->planes[k];
  const size_t kept = (size_t)(p->rans.end - p->rans.at);
  if (kept >= BLOCK_BYTES_MAX || p->taken == p->length) return DLV_OK;
  memmove(p->window, p->rans.at, kept);
  const uint64_t left = p->length - p->taken;
  const size_t more = left < WINDOW_READ ? (size_t)left : WINDOW_READ;
  const int failed = r->fill(r->file, k, p->start + p->taken, p->window + kept, more);
  p->taken += more;
  p->rans.at = p->window;
  p->rans.end = p->window + kept + more;
  return failed;
}

/* The planes that may tell contexts; NULL where there are none. */
typedef struct {
  const uint8_t *const *base; /* of a difference */
  const uint8_t *const *own; /* of raw planes: those decoded before */
  const uint8_t *above; /* of a difference: the digits of the plane above */
} known_planes;

static known_planes known_to(const segment_reader *r, uint32_t k, const uint8_t *const *base,
                             uint8_t *const *out) {
  if (r->transform == DLV_RAW) return (known_planes){NULL, (const uint8_t *const *)out, NULL};
  if (k >= r->differences) return (known_planes){NULL, NULL, NULL};
  /* What is above a plane that is not wanted is not looked at. */
  return (known_planes){base, NULL, out[k > 0 && k < r->wanted ? k - 1 : 0]};
}

static int open_coded(segment_reader *r, dlv_input *head, uint32_t k, const known_planes *known) {
  plane_reader *p = &r->planes[k];
  uint8_t kind;
  if (input_byte(head, &kind) || kind > CONTEXT_ABOVE) return DLV_ERR_CORRUPT;
  if (!set_planes(&p->c, kind, r->width, k, known->base, known->own, known->above) ||
      read_contexts(head, &p->c)) {
    return DLV_ERR_CORRUPT;
  }
  rans_table tables[RANS_CLASSES_MAX];
  if (table_read(head, tables, p->c.tables) || input_varint(head, &p->length)) {
    return DLV_ERR_CORRUPT;
  }
  if (k >= r->wanted) return DLV_OK;
  if (p->length > rans_bound(r->count)) return DLV_ERR_CORRUPT;
  /* The window behind the tables: fewer pieces of memory are kept for the next call. */
  const size_t entries = sizeof *p->entries * p->c.tables * RANS_TOTAL;
  const int is_file = r->classes[plane_class(r->width, k)].bytes == NULL;
  p->entries = scratch_take(entries + (is_file ? WINDOW_BYTES : 0));
  if (p->entries == NULL) return DLV_ERR_MEMORY;
  if (is_file) p->window = (uint8_t *)p->entries + entries;
  for (uint32_t t = 0; t < p->c.tables; t++) {
    rans_decoder(&tables[t], p->entries + t * RANS_TOTAL);
  }
  rans_find_likely(tables, p->c.tables, &p->likely);
  return DLV_OK;
}

/* Finds the bytes of a plane that was described, and begins its stream. */
static int begin_plane(segment_reader *r, uint32_t k) {
  plane_reader *p = &r->planes[k];
  const payload *from = &r->classes[plane_class(r->width, k)];
  if (p->length > from->length || p->start > from->length - p->length) return DLV_ERR_CORRUPT;
  if (from->bytes) p->bytes = from->bytes + p->start;
  if (p->mode != MODE_RANS) return DLV_OK;
  const uint8_t *first = p->bytes;
  size_t length = (size_t)p->length;
  if (first == NULL) {
    p->rans.at = p->rans.end = p->window;
    const int failed = refill(r, k);
    if (failed) return failed;
    first = p->window;
    length = (size_t)p->taken;
  }
  return rans_open(&p->rans, first, length, r->count) ? DLV_ERR_CORRUPT : DLV_OK;
}

int reader_open(segment_reader *r, dlv_input *head, int has_base) {
  /* Stands for planes that will be there. */
  static const uint8_t any;
  const uint8_t *there[DLV_WIDTH_MAX];
  uint64_t starts[3] = {0, 0, 0};
  for (uint32_t k = 0; k < DLV_WIDTH_MAX; k++) there[k] = &any;
  r->rows = scratch_take(BLOCK_ELEMENTS);
  if (r->rows == NULL) return DLV_ERR_MEMORY;
  for (uint32_t k = 0; k < r->width; k++) {
    plane_reader *p = &r->planes[k];
    const uint32_t class = plane_class(r->width, k);
    const known_planes known =
        known_to(r, k, has_base ? there : NULL, (uint8_t *const *)(uintptr_t)there);
    if (input_byte(head, &p->mode) || p->mode > MODE_RANS) return DLV_ERR_CORRUPT;
    int failed = DLV_OK;
    if (p->mode == MODE_CONST && input_byte(head, &p->value)) failed = DLV_ERR_CORRUPT;
    if (p->mode == MODE_STORE) p->length = r->count;
    if (p->mode == MODE_RANS) failed = open_coded(r, head, k, &known);
    p->start = starts[class];
    if (!failed && k < r->wanted) failed = begin_plane(r, k);
    if (failed) return failed;
    starts[class] += p->length;
  }
  return head->at == head->end ? DLV_OK : DLV_ERR_CORRUPT;
}

/* Decodes a block of a plane, or if it is a coded one fills in what is left to do. */
static int begin_block(segment_reader *r, uint32_t k, const reader_step *s,
                       const known_planes *known, rans_block *coded) {
  plane_reader *p = &r->planes[k];
  const uint32_t from = s->from, n = s->n;
  uint8_t *out = s->out[k];
  coded->n = 0;
  if (p->mode == MODE_CONST) {
    memset(out, p->value, n);
    return DLV_OK;
  }
  if (p->mode == MODE_STORE) {
    if (p->bytes == NULL) return r->fill(r->file, k, p->start + from, out, n);
    /* Whoever compares gives the bytes themselves. */
    if (out != p->bytes + from) memcpy(out, p->bytes + from, n);
    return DLV_OK;
  }
  if (p->window) {
    const int failed = refill(r, k);
    if (failed) return failed;
  }
  set_planes(&p->c, p->c.kind, r->width, k, known->base, known->own, known->above);
  find_classes(&p->c, 0, n, r->rows);
  const uint8_t *rows = p->c.kind == CONTEXT_NONE ? NULL : r->rows;
  *coded = (rans_block){&p->rans, rows, n, p->entries, &p->likely, out};
  return DLV_OK;
}

/* Decodes planes up to the next one that is better decoded beside another. */
static int advance(reader_step *s) {
  segment_reader *r = s->r;
  while (!s->waits && s->done < r->wanted) {
    const known_planes known = known_to(r, s->done, s->base, s->out);
    const int failed = begin_block(r, s->done, s, &known, &s->next);
    if (failed) return failed;
    s->waits = s->next.n > 0 && rans_has_pairs(&s->next);
    if (s->waits) return DLV_OK;
    if (s->next.n > 0 && rans_decode(&s->next)) return DLV_ERR_CORRUPT;
    s->done++;
  }
  return DLV_OK;
}

/* What waits was decoded. */
static void go_on(reader_step *s) {
  s->waits = 0;
  s->done++;
}

/* Decodes what steps wait for, two by two; a single one only if no other step has planes left. */
static int decode_waiting(reader_step *const *steps, uint32_t count, uint32_t *waiting) {
  reader_step *other = NULL;
  *waiting = 0;
  for (uint32_t i = 0; i < count; i++) {
    reader_step *s = steps[i];
    const int failed = advance(s);
    if (failed) return failed;
    if (!s->waits) continue;
    ++*waiting;
    if (other == NULL) {
      other = s;
      continue;
    }
    if (rans_decode_two(&other->next, &s->next)) return DLV_ERR_CORRUPT;
    go_on(other);
    go_on(s);
    other = NULL;
  }
  if (*waiting != 1) return DLV_OK;
  if (rans_decode(&other->next)) return DLV_ERR_CORRUPT;
  go_on(other);
  return DLV_OK;
}

int reader_blocks(reader_step *const *steps, uint32_t count) {
  uint32_t waiting;
  do {
    const int failed = decode_waiting(steps, count, &waiting);
    if (failed) return failed;
  } while (waiting > 0);
  for (uint32_t i = 0; i < count; i++) {
    const reader_step *s = steps[i];
    const segment_reader *r = s->r;
    const uint32_t differences = r->wanted < r->differences ? r->wanted : r->differences;
    if (r->transform != DLV_RAW) dlv_undigits(r->transform, s->out, s->base, differences, s->n);
  }
  return DLV_OK;
}

int reader_block(segment_reader *r, uint32_t from, uint32_t n, const uint8_t *const *base,
                 uint8_t *const *out) {
  reader_step step = {.r = r, .from = from, .n = n, .base = base, .out = out};
  reader_step *one = &step;
  return reader_blocks(&one, 1);
}

int reader_all(segment_reader *r, const uint8_t *const *base, uint8_t *const *out) {
  for (uint32_t from = 0; from < r->count; from += BLOCK_ELEMENTS) {
    const uint32_t n = r->count - from < BLOCK_ELEMENTS ? r->count - from : BLOCK_ELEMENTS;
    const uint8_t *base_at[DLV_WIDTH_MAX];
    uint8_t *out_at[DLV_WIDTH_MAX];
    for (uint32_t k = 0; k < r->wanted; k++) {
      base_at[k] = base && k < r->differences ? base[k] + from : NULL;
      out_at[k] = out[k] + from;
    }
    const int failed = reader_block(r, from, n, base ? base_at : NULL, out_at);
    if (failed) return failed;
  }
  return reader_close(r);
}

int reader_close(const segment_reader *r) {
  for (uint32_t k = 0; k < r->wanted; k++) {
    const plane_reader *p = &r->planes[k];
    if (p->mode == MODE_RANS && rans_close(&p->rans)) return DLV_ERR_CORRUPT;
    if (p->window && p->taken < p->length) return DLV_ERR_CORRUPT;
  }
  return DLV_OK;
}

void reader_end(segment_reader *r) {
  for (uint32_t k = 0; k < r->width; k++) {
    scratch_give(r->planes[k].entries);
    r->planes[k].entries = NULL;
    r->planes[k].window = NULL;
  }
  scratch_give(r->rows);
  r->rows = NULL;
}

int read_plane_alone(dlv_input *head, dlv_input *from, uint32_t n, uint8_t *out) {
  /* One plane of width 1, whose head goes on behind it. */
  segment_reader r = {.width = 1, .count = n, .wanted = 1, .transform = DLV_RAW, .differences = 1};
  plane_reader *p = &r.planes[0];
  const known_planes none = {NULL, NULL, NULL};
  int failed = input_byte(head, &p->mode) || p->mode > MODE_RANS ? DLV_ERR_CORRUPT : DLV_OK;
  r.classes[0] = (payload){from->at, (uint64_t)(from->end - from->at)};
  r.rows = scratch_take(BLOCK_ELEMENTS);
  if (r.rows == NULL) failed = DLV_ERR_MEMORY;
  if (!failed && p->mode == MODE_CONST && input_byte(head, &p->value)) failed = DLV_ERR_CORRUPT;
  if (p->mode == MODE_STORE) p->length = n;
  if (!failed && p->mode == MODE_RANS) failed = open_coded(&r, head, 0, &none);
  if (!failed) failed = begin_plane(&r, 0);
  if (!failed) from->at += p->length;
  for (uint32_t at = 0; at < n && !failed; at += BLOCK_ELEMENTS) {
    const uint32_t part = n - at < BLOCK_ELEMENTS ? n - at : BLOCK_ELEMENTS;
    uint8_t *to = out + at;
    const reader_step step = {.r = &r, .from = at, .n = part, .out = &to};
    rans_block coded;
    failed = begin_block(&r, 0, &step, &none, &coded);
    if (!failed && coded.n > 0 && rans_decode(&coded)) failed = DLV_ERR_CORRUPT;
  }
  if (!failed) failed = reader_close(&r);
  reader_end(&r);
  return failed;
}
