/*
 * Encoding of one plane: constant, stored, or rANS with classes of contexts. The choice is made from
 * a sample. The tables are then made from all symbols (level fast: from the sample), and with them the choice
 * is checked again.
 */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "stats.h"
#include "table.h"

/* Symbols that are looked at to decide: blocks spread over the plane; level max looks at all. */
#define SAMPLE_BLOCK 1024u
static const uint32_t SAMPLE_BLOCKS[2] = {32, 64};
/* A plane is stored from so many 1/1000 of 8 bits on. */
static const uint32_t STORE_FROM[3] = {950, 990, 999};
/*
 * Level default: small extents are read fast enough. A deep plane of a difference costs time at every link of
 * its chain: stored, it is the child's own and costs none.
 */
#define STORE_FROM_SMALL 995u
#define STORE_FROM_DEEP 950u
#define LARGE_FROM (1u << 18)
/* Classes of a context, and groups of contexts to find them in. */
static const uint32_t CLASSES[3] = {1, 8, RANS_CLASSES_MAX};
static const uint32_t GROUPS[3] = {1, 32, 64};
/* A class has to save so much of a plane, in 1/1000, since reading it costs time. */
#define CONTEXT_GAIN 1
/* A plane of so many 1/1000 of 8 bits is noise: below the first two, no context helps. */
#define NOISE_FROM 999u
/* Level fast: weight of a symbol of the sample against one that may be anywhere. */
#define FAST_WEIGHT 16u
/* Fewer symbols than this leave nothing to tell apart by the plane above. */
#define ABOVE_FROM 4096u

/* Blocks of a sample of n symbols. */
typedef struct {
  uint32_t blocks;
  uint32_t block;
} sampling;

static sampling sampling_of(const encoder *e, uint32_t n) {
  if (e->level == DLV_LEVEL_MAX) return (sampling){1, n};
  const uint32_t blocks = SAMPLE_BLOCKS[e->level];
  return n <= SAMPLE_BLOCK * blocks ? (sampling){1, n} : (sampling){blocks, SAMPLE_BLOCK};
}

/* Counts of a sample without contexts. */
static void sample_plain(encoder *e, const uint8_t *plane, uint32_t n, uint32_t *counts) {
  const sampling by = sampling_of(e, n);
  memset(counts, 0, 256 * sizeof *counts);
  for (uint32_t b = 0; b < by.blocks; b++) {
    const uint32_t from = sample_from(n, by.block, by.blocks, b);
    bulk_histogram(plane + from, by.block, counts);
  }
}

/* Counts of the same sample per context, in e->counts. */
static void sample_contexts(encoder *e, const uint8_t *plane, uint32_t n, const contexts *c,
                            stats_matrix *matrix) {
  const sampling by = sampling_of(e, n);
  memset(matrix, 0, sizeof *matrix);
  matrix->counts = e->counts;
  matrix->total = by.blocks * by.block;
  /* First how many symbols each context has: only rows that are used are cleared. */
  for (int counting = 0; counting < 2; counting++) {
    for (uint32_t b = 0; b < by.blocks; b++) {
      const uint32_t start = sample_from(n, by.block, by.blocks, b);
      for (uint32_t at = 0; at < by.block; at += BLOCK_ELEMENTS) {
        const uint32_t left = by.block - at;
        const uint32_t part = left < BLOCK_ELEMENTS ? left : BLOCK_ELEMENTS;
        const uint8_t *symbols = plane + start + at;
        find_contexts(c, start + at, part, e->classes);
        if (!counting) bulk_histogram(e->classes, part, matrix->totals);
        for (uint32_t i = 0; counting && i < part; i++) {
          e->counts[(uint32_t)e->classes[i] << 8 | symbols[i]]++;
        }
      }
    }
    for (uint32_t context = 0; !counting && context < 256; context++) {
      if (matrix->totals[context] == 0) continue;
      memset(e->counts + 256 * context, 0, 256 * sizeof *e->counts);
    }
  }
}

/* Adds the rows of each class; they come to stand at the beginning of e->counts. */
static void join_rows(const stats_matrix *matrix, const bulk_cut *cut) {
  uint32_t class = 0;
  uint32_t sum[256] = {0};
  for (uint32_t c = 0; c < 256; c++) {
    for (int s = 0; matrix->totals[c] && s < 256; s++) sum[s] += matrix->counts[256 * c + s];
    const int ends = class + 1 < cut->classes ? cut->last[class] == c : c == 255;
    if (!ends) continue;
    /* Class i ends at context i or later: nothing that is still needed is written over. */
    memcpy(matrix->counts + 256 * class, sum, sizeof sum);
    memset(sum, 0, sizeof sum);
    class++;
  }
}

static int put_stored(encoder *e, const uint8_t *plane, uint32_t n, dlv_buffer *payload) {
  const int failed = buffer_put_byte(&e->out->head, MODE_STORE);
  if (failed || e->defers) return failed;
  const uint8_t *shared = e->out->shared[payload - e->out->classes];
  if (plane != shared || payload->length > 0) return buffer_put(payload, plane, n);
  if (!payload->lent) scratch_give(payload->bytes);
  /* Without room: what is put behind it goes into other memory. */
  *payload = (dlv_buffer){(uint8_t *)(uintptr_t)shared, n, 0, 1};
  return DLV_OK;
}

/* Counts of all symbols per table, at the start of e->counts. */
static void count_all(encoder *e, const uint8_t *plane, uint32_t n, const contexts *c) {
  if (c->kind == CONTEXT_NONE) {
    memset(e->counts, 0, 256 * sizeof *e->counts);
    bulk_histogram(plane, n, e->counts);
    return;
  }
  memset(e->counts, 0, c->tables * 256 * sizeof *e->counts);
  for (uint32_t from = 0; from < n; from += BLOCK_ELEMENTS) {
    const uint32_t part = n - from < BLOCK_ELEMENTS ? n - from : BLOCK_ELEMENTS;
    find_classes(c, from, part, e->classes);
    bulk_count_rows(plane + from, e->classes, part, c->tables, e->parts, e->counts);
  }
}

static int put_contexts(dlv_buffer *head, const contexts *c) {
  int failed = buffer_put_byte(head, (uint8_t)c->kind);
  if (c->kind == CONTEXT_NONE) return failed;
  failed |= buffer_put_byte(head, (uint8_t)(c->cut.classes - 1));
  failed |= buffer_put(head, c->cut.last, c->cut.classes - 1);
  if (c->kind != CONTEXT_ABOVE) return failed;
  for (uint32_t class = 0; class < c->cut.classes; class++) {
    for (uint32_t u = 0; u < 4; u += 2) {
      const uint8_t two = (uint8_t)(c->map.table[u][class] | c->map.table[u + 1][class] << 4);
      failed |= buffer_put_byte(head, two);
    }
  }
  return failed;
}

/* Level fast: makes counts of a sample those of a table for a whole plane, every byte of it included. */
static void widen_counts(uint32_t *counts, const uint8_t *plane, uint32_t n) {
  const bulk_values possible = bulk_range(plane, n);
  for (uint32_t s = 0; s < 256; s++) counts[s] *= FAST_WEIGHT;
  for (uint32_t i = 0; i < possible.count; i++) counts[(possible.from + i) & 255]++;
}

/* Writes a plane with the tables of e->counts; stored if it takes `most` bytes or more. */
static int put_coded(encoder *e, const uint8_t *plane, uint32_t n, const contexts *c, size_t most,
                     dlv_buffer *payload) {
  dlv_buffer *head = &e->out->head;
  const size_t head_length = head->length;
  rans_table tables[RANS_CLASSES_MAX];
  int failed = buffer_put_byte(head, MODE_RANS) || put_contexts(head, c);
  for (uint32_t t = 0; t < c->tables; t++) {
    uint32_t *counts = e->counts + 256 * t;
    uint32_t any = 0;
    for (int s = 0; s < 256; s++) any |= counts[s];
    if (!any) counts[0] = 1;
    table_fit(counts, &tables[t]);
    rans_encoder(&tables[t], e->symbols + (t << 8));
  }
  if (failed || table_write(tables, c->tables, head)) return DLV_ERR_MEMORY;
  uint8_t *room = scratch_take(rans_room(n));
  if (room == NULL) return DLV_ERR_MEMORY;
  rans_writer writer;
  rans_likely likely;
  rans_find_likely(tables, c->tables, &likely);
  rans_begin(&writer, n, room);
  int changed = 0;
  for (uint32_t end = n; end > 0 && !changed && !aborted_now(e);) {
    const uint32_t from = (end - 1) / BLOCK_ELEMENTS * BLOCK_ELEMENTS;
    find_classes(c, from, end - from, e->classes);
    const uint8_t *rows = c->kind == CONTEXT_NONE ? NULL : e->classes;
    changed = rans_encode(&writer, plane + from, rows, end - from, e->symbols, &likely) != 0;
    end = from;
  }
  const size_t length = rans_length(&writer);
  if (changed || length == 0) {
    scratch_give(room);
    return DLV_ERR_CHANGED;
  }
  if (length >= most && !aborted_now(e)) {
    scratch_give(room);
    head->length = head_length;
    return put_stored(e, plane, n, payload);
  }
  uint8_t *to = buffer_reserve(payload, length);
  if (to) {
    rans_end(&writer, to);
    payload->length += length;
    failed = buffer_put_varint(head, length);
  }
  scratch_give(room);
  if (aborted_now(e)) return DLV_ERR_ABORTED;
  return to == NULL || failed ? DLV_ERR_MEMORY : DLV_OK;
}

/* Cells of class and digit above, and what each costs; those joined point to the one they are in. */
typedef struct {
  uint32_t count;
  uint8_t joined[4 * RANS_CLASSES_MAX];
  uint64_t costs[4 * RANS_CLASSES_MAX];
} cells;

static uint64_t joint_cost(const uint32_t *a, const uint32_t *b) {
  uint32_t sum[256];
  for (int s = 0; s < 256; s++) sum[s] = a[s] + b[s];
  return table_cost(sum, 1, 1);
}

/* Joins cells, cheapest first, until there are few enough and no more joining saves anything. */
static uint64_t join_cells(cells *all, uint32_t *counts) {
  static const int64_t NEVER = INT64_MAX;
  int64_t losses[4 * RANS_CLASSES_MAX][4 * RANS_CLASSES_MAX];
  uint32_t left = all->count;
  for (uint32_t a = 0; a < all->count; a++) {
    all->joined[a] = (uint8_t)a;
    all->costs[a] = table_cost(counts + 256 * a, 1, 1);
    for (uint32_t b = 0; b < a; b++) {
      losses[a][b] =
          (int64_t)(joint_cost(counts + 256 * a, counts + 256 * b) - all->costs[a] - all->costs[b]);
    }
  }
  for (;;) {
    int64_t least = NEVER;
    uint32_t into = 0, gone = 0;
    for (uint32_t a = 0; a < all->count; a++) {
      for (uint32_t b = 0; b < a; b++) {
        if (all->joined[a] != a || all->joined[b] != b || losses[a][b] >= least) continue;
        least = losses[a][b];
        into = b;
        gone = a;
      }
    }
    if (least == NEVER || (left <= RANS_CLASSES_MAX && least > 0)) break;
    all->costs[into] += all->costs[gone] + (uint64_t)least;
    for (int s = 0; s < 256; s++) counts[256 * into + s] += counts[256 * gone + s];
    for (uint32_t a = 0; a < all->count; a++) {
      if (all->joined[a] == gone) all->joined[a] = (uint8_t)into;
    }
    left--;
    for (uint32_t a = 0; a < all->count; a++) {
      if (a == into || all->joined[a] != a) continue;
      const int64_t loss = (int64_t)(joint_cost(counts + 256 * a, counts + 256 * into) -
                                     all->costs[a] - all->costs[into]);
      losses[a > into ? a : into][a > into ? into : a] = loss;
    }
  }
  uint64_t cost = 0;
  for (uint32_t a = 0; a < all->count; a++) cost += all->joined[a] == a ? all->costs[a] : 0;
  return cost;
}

/*
 * Finds tables by class and digit above: `c` is of kind CONTEXT_BASE and becomes CONTEXT_ABOVE.
 * Returns what the plane costs then.
 */
static uint64_t find_above(encoder *e, const uint8_t *plane, uint32_t n, const uint8_t *above,
                           contexts *c) {
  contexts each = *c;
  each.kind = CONTEXT_ABOVE;
  each.above = above;
  cells all = {4 * c->cut.classes, {0}, {0}};
  for (uint32_t u = 0; u < 4; u++) {
    for (uint32_t class = 0; class < RANS_CLASSES_MAX; class++) {
      each.map.table[u][class] = (uint8_t)(4 * class + u);
    }
  }
  memset(e->counts, 0, all.count * 256 * sizeof *e->counts);
  for (uint32_t from = 0; from < n; from += BLOCK_ELEMENTS) {
    const uint32_t part = n - from < BLOCK_ELEMENTS ? n - from : BLOCK_ELEMENTS;
    find_classes(&each, from, part, e->classes);
    for (uint32_t i = 0; i < part; i++) {
      e->counts[(uint32_t)e->classes[i] << 8 | plane[from + i]]++;
    }
  }
  const uint64_t cost = join_cells(&all, e->counts);
  uint8_t table_of[4 * RANS_CLASSES_MAX];
  each.tables = 0;
  for (uint32_t a = 0; a < all.count; a++) {
    table_of[a] = all.joined[a] == a ? (uint8_t)each.tables++ : table_of[all.joined[a]];
  }
  for (uint32_t u = 0; u < 4; u++) {
    for (uint32_t class = 0; class < RANS_CLASSES_MAX; class++) {
      each.map.table[u][class] = class < c->cut.classes ? table_of[4 * class + u] : 0;
    }
  }
  *c = each;
  return cost;
}

static uint64_t tables_cost(const uint32_t *counts, uint32_t tables, uint32_t sampled,
                            uint32_t whole) {
  uint64_t cost = 0;
  for (uint32_t t = 0; t < tables; t++) cost += table_cost(counts + 256 * t, sampled, whole);
  return cost;
}

static uint32_t store_from(const encoder *e, const contexts *may, uint32_t n) {
  if (e->level != DLV_LEVEL_DEFAULT) return STORE_FROM[e->level];
  if (n < LARGE_FROM) return STORE_FROM_SMALL;
  const int deep = e->width >= 4 && may->kind == CONTEXT_BASE && may->deep;
  return deep ? STORE_FROM_DEEP : STORE_FROM[DLV_LEVEL_DEFAULT];
}

/*
 * Chooses contexts; returns what the symbols of the sample would cost then. whole: how many symbols the
 * tables are for. *counted: whether e->counts has the counts of all n symbols for the contexts.
 */
static uint64_t choose_contexts(encoder *e, const uint8_t *plane, uint32_t n, uint32_t whole,
                                const contexts *may, const uint8_t *above, contexts *chosen,
                                int *counted) {
  uint32_t plain[256];
  sample_plain(e, plane, n, plain);
  const sampling by = sampling_of(e, n);
  const uint32_t sampled = by.blocks * by.block;
  const uint64_t stored = (uint64_t)sampled * 8 * COST_ONE;
  uint64_t best = table_cost(plain, sampled, whole);
  *chosen = *may;
  chosen->kind = CONTEXT_NONE;
  chosen->tables = chosen->cut.classes = 1;
  *counted = 0;
  const int noise = may->deep && best >= stored / 1000 * NOISE_FROM;
  if (may->kind != CONTEXT_NONE && e->level != DLV_LEVEL_FAST && !noise) {
    contexts other = *may;
    stats_matrix matrix;
    sample_contexts(e, plane, n, may, &matrix);
    stats_find_cut(&matrix, CLASSES[e->level], GROUPS[e->level],
                   may->kind == CONTEXT_OWN ? STATS_BYTES : STATS_DIGITS, whole, &other.cut);
    other.tables = other.cut.classes;
    if (other.tables > 1) {
      join_rows(&matrix, &other.cut);
      const uint64_t cost = tables_cost(e->counts, other.tables, sampled, whole);
      if (cost + stored / 1000 * CONTEXT_GAIN < best) {
        best = cost;
        *chosen = other;
        *counted = sampled == n;
      }
    }
    if (e->level == DLV_LEVEL_MAX && above && n >= ABOVE_FROM && !e->whole) {
      if (chosen->kind == CONTEXT_NONE) other.cut.classes = 1;
      *counted = 0;
      const uint64_t cost = find_above(e, plane, n, above, &other);
      if (cost + stored / 1000 * CONTEXT_GAIN < best) {
        best = cost;
        *chosen = other;
      }
    }
  }
  if (chosen->kind == CONTEXT_NONE) {
    memcpy(e->counts, plain, sizeof plain);
    *counted = sampled == n;
  }
  return best;
}

int put_plane(encoder *e, const uint8_t *plane, uint32_t n, const contexts *may,
              const uint8_t *above, dlv_buffer *payload) {
  const int constant = memcmp(plane, plane + 1, n - 1) == 0;
  if (constant && e->whole) return DLV_OK;
  if (constant) {
    if (buffer_put_byte(&e->out->head, MODE_CONST)) return DLV_ERR_MEMORY;
    return buffer_put_byte(&e->out->head, plane[0]);
  }
  const uint32_t whole = e->whole ? (uint32_t)((uint64_t)n * e->whole / e->sampled) : n;
  contexts chosen;
  int counted;
  const uint64_t best = choose_contexts(e, plane, n, whole, may, above, &chosen, &counted);
  const sampling by = sampling_of(e, n);
  const uint32_t from = store_from(e, may, whole);
  const uint64_t stored = (uint64_t)by.blocks * by.block * 8 * COST_ONE;
  if (e->whole) {
    e->cost += best < stored / 1000 * from ? best : stored;
    return DLV_OK;
  }
  if (best >= stored / 1000 * from) return put_stored(e, plane, n, payload);
  if (aborted_now(e)) return DLV_ERR_ABORTED;
  if (!counted && e->level == DLV_LEVEL_FAST) {
    /* A table of the sample does. Whether it was a fair one is seen from what comes out. */
    widen_counts(e->counts, plane, n);
    return put_coded(e, plane, n, &chosen, (size_t)((uint64_t)n * from / 1000), payload);
  }
  if (!counted) {
    count_all(e, plane, n, &chosen);
    const uint64_t cost = tables_cost(e->counts, chosen.tables, 1, 1);
    if (cost >= (uint64_t)n * 8 * COST_ONE / 1000 * from) {
      return put_stored(e, plane, n, payload);
    }
  }
  return put_coded(e, plane, n, &chosen, SIZE_MAX, payload);
}
