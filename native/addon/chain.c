#include "chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "crc32.h"
#include "plan.h"
#include "reader.h"

/* Most links of a plan: each takes half a megabyte. */
#define LINKS_MAX 32u

typedef struct {
  uint32_t width, wanted;
  int is_same; /* its planes are those of its base */
  uint32_t base_planes; /* that it takes */
  uint32_t needed;      /* planes of blocks of which no sample is taken */
  stored_class classes[3];
  /* Of what was read of each plane. */
  uint32_t crcs[DLV_WIDTH_MAX];
  uint64_t read[DLV_WIDTH_MAX];
  segment_reader reader;
  uint8_t *blocks; /* of the chain: planes of the last two blocks of this link */
  /* The block that is at hand. */
  reader_step step;
  const uint8_t *under[DLV_WIDTH_MAX];
  uint8_t *out[DLV_WIDTH_MAX];
} chain_link;

/* Links at work. */
typedef struct {
  const job *j;
  chain_link *links;
  uint32_t count;
  uint32_t end; /* elements that are decoded */
  uint8_t *blocks;
} chain;

static int fill(void *file, uint32_t plane, uint64_t offset, uint8_t *to, size_t length) {
  chain_link *l = file;
  const stored_class *from = &l->classes[plane_class(l->width, plane)];
  size_t done = 0;
  while (done < length) {
    const off_t at = (off_t)(from->offset + offset + done);
    const ssize_t got = pread(from->fd, to + done, length - done, at);
    if (got > 0) done += (size_t)got;
    else if (got == 0 || errno != EINTR) return DLV_ERR_CORRUPT;
  }
  l->crcs[plane] = crc32_of(l->crcs[plane], to, length);
  l->read[plane] += length;
  return DLV_OK;
}

/* Every class of which a plane is wanted consists of wanted planes and of nothing else. */
static int classes_fit(const chain_link *l) {
  const segment_reader *r = &l->reader;
  uint64_t lengths[3] = {0, 0, 0};
  int wanted[3] = {0, 0, 0}, unwanted[3] = {0, 0, 0};
  for (uint32_t k = 0; k < l->width; k++) {
    const uint32_t class = plane_class(l->width, k);
    lengths[class] += r->planes[k].length;
    if (k < l->wanted) wanted[class] = 1;
    else unwanted[class] = 1;
  }
  for (int c = 0; c < 3; c++) {
    if (wanted[c] && unwanted[c]) return DLV_ERR_ARGUMENT;
    if (wanted[c] && lengths[c] != l->classes[c].length) return DLV_ERR_CORRUPT;
  }
  return DLV_OK;
}

/* Reads a link of a plan and opens it. below: planes that the links before it give. */
static int open_link(chain_link *l, plan_reader *p, uint32_t count, uint32_t below) {
  l->width = (uint32_t)plan_number(p, 1);
  l->wanted = (uint32_t)plan_number(p, 1);
  const size_t head_length = (size_t)plan_number(p, 4);
  for (int c = 0; c < 3; c++) {
    if (plan_class(p, &l->classes[c])) return DLV_ERR_ARGUMENT;
  }
  const uint8_t *bytes;
  if (p->is_short || input_take(&p->input, head_length, &bytes)) return DLV_ERR_ARGUMENT;
  if (l->width == 0 || l->width > DLV_WIDTH_MAX || l->wanted == 0 || l->wanted > l->width) {
    return DLV_ERR_ARGUMENT;
  }
  dlv_input head = {bytes, bytes + head_length};
  head_start start;
  if (head_read_start(&head, &start) || !head_fits(&start, l->width)) return DLV_ERR_CORRUPT;
  /* Those are decoded whole. */
  if (start.flags != 0 || start.transform == DLV_PALETTE) return DLV_ERR_ARGUMENT;
  if (dlv_transform_stop(start.transform, l->width, l->wanted) != l->wanted) {
    return DLV_ERR_ARGUMENT;
  }
  l->base_planes = head_base_planes(&start, l->wanted);
  if (l->base_planes > below) return DLV_ERR_BASE;
  l->is_same = start.transform == DLV_SAME;
  if (l->is_same) return head.at == head.end ? DLV_OK : DLV_ERR_CORRUPT;
  segment_reader *r = &l->reader;
  r->width = l->width;
  r->count = count;
  r->wanted = l->wanted;
  r->transform = start.transform;
  r->differences = start.differences < l->width ? start.differences : l->width;
  r->fill = fill;
  r->file = l;
  for (int c = 0; c < 3; c++) r->classes[c].length = l->classes[c].length;
  const int failed = reader_open(r, &head, l->base_planes > 0);
  return failed ? failed : classes_fit(l);
}

/*
 * Compares what was read with the CRCs of the record; of classes of which parts were left out for a
 * sample, nothing can be said.
 */
static int check_link(const chain_link *l) {
  const segment_reader *r = &l->reader;
  if (l->is_same) return DLV_OK;
  if (reader_close(r)) return DLV_ERR_CORRUPT;
  uint32_t crcs[3] = {0, 0, 0};
  int wanted[3] = {0, 0, 0}, parts[3] = {0, 0, 0};
  for (uint32_t k = 0; k < l->wanted; k++) {
    const uint32_t class = plane_class(l->width, k);
    if (k >= l->needed) parts[class] = 1;
    else if (l->read[k] != r->planes[k].length) return DLV_ERR_CORRUPT;
    crcs[class] = crc32_join(crcs[class], l->crcs[k], l->read[k]);
    wanted[class] = 1;
  }
  for (int c = 0; c < 3; c++) {
    if (wanted[c] && !parts[c] && l->classes[c].length > 0 && crcs[c] != l->classes[c].crc) {
      return DLV_ERR_CORRUPT;
    }
  }
  return DLV_OK;
}

/*
 * Planes of a link without which blocks can be decoded of which no sample is taken: all but the last ones that
 * are stored as they are. Contexts are in the first two. above: planes that the next link takes.
 */
static uint32_t needed_planes(const chain_link *l, uint32_t above) {
  const segment_reader *r = &l->reader;
  uint32_t needed = l->wanted;
  while (!l->is_same && needed > DIFFERENCES_MIN && needed > above) {
    const uint32_t k = needed - 1;
    const int is_own = r->transform == DLV_RAW || k >= r->differences;
    if (!is_own || r->planes[k].mode != MODE_STORE) break;
    needed = k;
  }
  return needed;
}

/* A piece of a sample that reaches into a block. */
typedef struct {
  uint32_t from, to; /* elements of the segment */
  size_t place;      /* of the first of them, in the sample of its plane */
} sampled_part;

/* The part of a piece that is in a block of n elements; an empty one if there is none. */
static sampled_part part_of(const sampling *s, uint32_t piece, uint32_t from, uint32_t n) {
  const uint32_t start = piece * s->step, end = start + s->length;
  const uint32_t first = start > from ? start : from;
  const uint32_t last = end < from + n ? end : from + n;
  const size_t place = (size_t)piece * s->length + (first - start);
  return (sampled_part){first, last > first ? last : first, place};
}

static int is_sampled(const sampling *s, uint32_t from, uint32_t n) {
  for (uint32_t i = 0; i < s->pieces; i++) {
    const sampled_part part = part_of(s, i, from, n);
    if (part.to > part.from) return 1;
  }
  return 0;
}

/* Copies what a sample holds of the block at hand of one link; `order` counts the links that are sampled. */
static void take_sample(const job *j, uint32_t order, const chain_link *l) {
  const sampling *s = &j->sample;
  const size_t plane_bytes = (size_t)s->pieces * s->length;
  const uint32_t from = l->step.from;
  uint8_t *to = (uint8_t *)(uintptr_t)j->out[0] + order * s->planes * plane_bytes;
  for (uint32_t i = 0; i < s->pieces; i++) {
    const sampled_part part = part_of(s, i, from, l->step.n);
    for (uint32_t k = 0; k < s->planes && part.to > part.from; k++) {
      memcpy(to + k * plane_bytes + part.place, l->out[k] + (part.from - from),
             part.to - part.from);
    }
  }
}

/* Where a plane of a block goes: of the last link into the planes of the job, unless samples are taken. */
static uint8_t *place_of(const chain *c, uint32_t link, uint32_t k, uint32_t from) {
  const chain_link *l = &c->links[link];
  if (c->j->sample.pieces == 0 && link + 1 == c->count) {
    return (uint8_t *)(uintptr_t)c->j->out[k] + from;
  }
  const uint32_t turn = from / BLOCK_ELEMENTS & 1;
  return l->blocks + (size_t)(turn * l->wanted + k) * BLOCK_ELEMENTS;
}

/* Makes a block the one at hand of a link, whose base has it. */
static void begin_step(const chain *c, uint32_t link, uint32_t from) {
  const job *j = c->j;
  chain_link *l = &c->links[link];
  const uint32_t n = j->count - from < BLOCK_ELEMENTS ? j->count - from : BLOCK_ELEMENTS;
  const uint32_t below = link > 0 ? l[-1].wanted : j->has_base ? j->base_width : 0;
  for (uint32_t k = 0; k < below; k++) {
    l->under[k] = link > 0 ? place_of(c, link - 1, k, from) : j->base[k] + from;
  }
  for (uint32_t k = 0; k < l->wanted; k++) l->out[k] = place_of(c, link, k, from);
  const uint8_t *const *base = l->base_planes > 0 ? l->under : NULL;
  l->step = (reader_step){.r = &l->reader, .from = from, .n = n, .base = base, .out = l->out};
  const int is_skipped = j->sample.pieces > 0 && !is_sampled(&j->sample, from, n);
  l->reader.wanted = is_skipped ? l->needed : l->wanted;
}

/*
 * Goes on by a block: each link by the one behind the block that the next link is at, so that all of them have
 * something to do at once.
 */
static int chain_round(const chain *c, uint32_t round) {
  reader_step *steps[LINKS_MAX] = {NULL};
  chain_link *active[LINKS_MAX];
  uint32_t coded = 0, moved = 0;
  const sampling *s = &c->j->sample;
  for (uint32_t i = 0; i < c->count && i <= round; i++) {
    chain_link *l = &c->links[i];
    const uint64_t from = (uint64_t)(round - i) * BLOCK_ELEMENTS;
    if (from >= c->end) continue;
    begin_step(c, i, (uint32_t)from);
    active[moved++] = l;
    if (!l->is_same) steps[coded++] = &l->step;
    for (uint32_t k = 0; l->is_same && k < l->wanted; k++) {
      memcpy(l->out[k], l->under[k], l->step.n);
    }
  }
  const int failed = reader_blocks(steps, coded);
  for (uint32_t i = 0; i < moved && !failed; i++) {
    const uint32_t link = (uint32_t)(active[i] - c->links);
    active[i]->reader.wanted = active[i]->wanted;
    if (!(s->links >> link & 1) || !is_sampled(s, active[i]->step.from, active[i]->step.n))
      continue;
    const uint32_t before = s->links & (((uint32_t)1 << link) - 1);
    take_sample(c->j, (uint32_t)__builtin_popcount(before), active[i]);
  }
  return failed;
}

/* Whether the links of a plan are those that the job wants. */
static int links_fit(const job *j, chain_link *links, uint32_t count) {
  const sampling *s = &j->sample;
  if (s->pieces == 0) {
    return links[count - 1].wanted == j->wanted ? DLV_OK : DLV_ERR_ARGUMENT;
  }
  if (s->links >> (count - 1) != 1) return DLV_ERR_ARGUMENT;
  for (uint32_t i = 0; i < count; i++) {
    if ((s->links >> i & 1) && links[i].wanted != s->planes) return DLV_ERR_ARGUMENT;
  }
  return DLV_OK;
}

/* Room for the last two blocks of each link. */
static int take_blocks(chain *c) {
  size_t planes = 0;
  for (uint32_t i = 0; i < c->count; i++) planes += 2 * c->links[i].wanted;
  c->blocks = scratch_take(planes * BLOCK_ELEMENTS);
  if (c->blocks == NULL) return DLV_ERR_MEMORY;
  uint8_t *at = c->blocks;
  for (uint32_t i = 0; i < c->count; i++) {
    c->links[i].blocks = at;
    at += (size_t)2 * c->links[i].wanted * BLOCK_ELEMENTS;
  }
  return DLV_OK;
}

/* Opens all links of a plan. */
static int open_links(chain *c, plan_reader *p) {
  const job *j = c->j;
  uint32_t below = j->has_base ? j->base_width : 0;
  for (uint32_t i = 0; i < c->count; i++) {
    chain_link *l = &c->links[i];
    const int failed = open_link(l, p, j->count, below);
    if (failed) return failed;
    below = l->wanted;
  }
  if (p->input.at != p->input.end) return DLV_ERR_ARGUMENT;
  const int failed = links_fit(j, c->links, c->count);
  for (uint32_t i = 0; i < c->count && !failed; i++) {
    chain_link *l = &c->links[i];
    const uint32_t above = i + 1 < c->count ? l[1].base_planes : 0;
    const int is_taken = j->sample.pieces > 0 && (j->sample.links >> i & 1);
    l->needed = is_taken ? needed_planes(l, above) : l->wanted;
  }
  return failed ? failed : take_blocks(c);
}

int chain_decode(job *j) {
  const sampling *s = &j->sample;
  plan_reader p = {{j->head, j->head + j->head_length}, 0};
  chain c = {.j = j, .count = (uint32_t)plan_number(&p, 4)};
  if (c.count == 0 || c.count > LINKS_MAX) return DLV_ERR_ARGUMENT;
  c.links = calloc(c.count, sizeof *c.links);
  if (c.links == NULL) return DLV_ERR_MEMORY;
  int failed = open_links(&c, &p);
  /* Behind the last piece of a sample nothing is wanted, and nothing is compared unless that is the end. */
  c.end = s->pieces > 0 ? (s->pieces - 1) * s->step + s->length : j->count;
  const uint32_t blocks = (c.end + BLOCK_ELEMENTS - 1) / BLOCK_ELEMENTS;
  for (uint32_t round = 0; round < blocks + c.count - 1 && !failed; round++) {
    if (j->aborted && *j->aborted) failed = DLV_ERR_ABORTED;
    else failed = chain_round(&c, round);
  }
  for (uint32_t i = 0; i < c.count; i++) {
    if (!failed && (uint64_t)blocks * BLOCK_ELEMENTS >= j->count) failed = check_link(&c.links[i]);
    reader_end(&c.links[i].reader);
  }
  scratch_give(c.blocks);
  free(c.links);
  return failed;
}

napi_value decode_chain(napi_env env, napi_callback_info info) {
  napi_value args[6];
  view plan, base[DLV_WIDTH_MAX], out[DLV_WIDTH_MAX];
  uint32_t base_width = 0, out_width = 0;
  call c = begin(env, info, 6, args);
  job *j = job_new(CHAIN);
  if (c.refused || j == NULL) return job_start(&c, j);
  j->has_base = !is_null(env, args[1]);
  const int has_out = !is_undefined(env, args[4]);
  j->count = number_of(&c, "count", args[2], 1, DLV_SEGMENT_ELEMENTS);
  j->wanted = number_of(&c, "wanted", args[3], 1, DLV_WIDTH_MAX);
  j->width = j->wanted;
  if (j->has_base) list_of(&c, "base", args[1], 1, DLV_WIDTH_MAX, base, &base_width);
  if (has_out) list_of(&c, "out", args[4], j->wanted, j->wanted, out, &out_width);
  plan.value = args[0];
  look(&c, NAME("plan"), &plan);
  planes_of(&c, "base", base, base_width, j->count, j->count);
  planes_of(&c, "out", out, out_width, j->count, j->count);
  apart(&c, "out", out, out_width, "plan", &plan, 1);
  apart(&c, "out", out, out_width, "base", base, base_width);
  job_keeps_abort(&c, j, args[5]);
  if (c.refused) return job_start(&c, j);
  job_copies(j, &plan, &j->head);
  j->head_length = plan.length;
  j->base_width = base_width;
  job_decodes(env, j, base, has_out ? out : NULL);
  return job_start(&c, j);
}

napi_value sample_chain(napi_env env, napi_callback_info info) {
  napi_value args[8];
  view plan;
  call c = begin(env, info, 8, args);
  job *j = job_new(CHAIN);
  if (c.refused || j == NULL) return job_start(&c, j);
  sampling *s = &j->sample;
  j->count = number_of(&c, "count", args[1], 1, DLV_SEGMENT_ELEMENTS);
  s->planes = number_of(&c, "planes", args[2], 1, DLV_WIDTH_MAX);
  s->links = number_of(&c, "links", args[3], 1, UINT32_MAX);
  s->length = number_of(&c, "length", args[4], 1, j->count);
  s->step = number_of(&c, "step", args[5], 1, j->count);
  s->pieces = number_of(&c, "pieces", args[6], 1, SAMPLE_PIECES_MAX);
  plan.value = args[0];
  look(&c, NAME("plan"), &plan);
  job_keeps_abort(&c, j, args[7]);
  const uint64_t end = (uint64_t)(s->pieces - 1) * s->step + s->length;
  if (!c.refused && end > j->count) refuse(&c, NAME("pieces"), "end behind the segment");
  uint64_t bytes = (uint64_t)s->planes * s->pieces * s->length;
  bytes *= (uint32_t)__builtin_popcount(s->links);
  if (!c.refused && bytes > SAMPLE_BYTES_MAX) refuse(&c, NAME("length"), "makes too long a sample");
  if (c.refused) return job_start(&c, j);
  job_copies(j, &plan, &j->head);
  j->head_length = plan.length;
  j->wanted = 1;
  j->out_count = (uint32_t)bytes;
  job_decodes(env, j, NULL, NULL);
  return job_start(&c, j);
}

napi_value verify(napi_env env, napi_callback_info info) {
  napi_value args[5];
  view head, classes[3], base[DLV_WIDTH_MAX], planes[DLV_WIDTH_MAX];
  uint32_t class_count = 0, base_width = 0;
  call c = begin(env, info, 5, args);
  job *j = job_new(VERIFY);
  if (c.refused || j == NULL) return job_start(&c, j);
  j->has_base = !is_null(env, args[2]);
  list_of(&c, "classes", args[1], 3, 3, classes, &class_count);
  list_of(&c, "planes", args[3], 1, DLV_WIDTH_MAX, planes, &j->width);
  if (j->has_base) list_of(&c, "base", args[2], j->width, j->width, base, &base_width);
  head.value = args[0];
  look(&c, NAME("head"), &head);
  for (uint32_t k = 0; k < class_count; k++) look(&c, (name){"classes", (int)k}, &classes[k]);
  j->count = planes_of(&c, "planes", planes, j->width, 1, DLV_SEGMENT_ELEMENTS);
  planes_of(&c, "base", base, base_width, j->count, j->count);
  job_keeps_abort(&c, j, args[4]);
  if (c.refused) return job_start(&c, j);
  job_reads_coded(j, &head, classes);
  for (uint32_t k = 0; k < j->width; k++) {
    job_reads(j, &planes[k], &j->planes[k]);
    if (j->has_base) job_reads(j, &base[k], &j->base[k]);
  }
  return job_start(&c, j);
}

int chain_verify(job *j) {
  const dlv_coded coded = {j->head, j->head_length, j->classes, j->class_lengths};
  for (int c = 0; c < 3; c++) j->crcs[c] = crc32_of(0, j->classes[c], j->class_lengths[c]);
  return dlv_segment_verify(&coded, j->has_base ? j->base : NULL, j->count, j->width, j->planes);
}

napi_value verify_answer(napi_env env, const job *j) {
  napi_value buffer, answer;
  void *bytes;
  if (napi_create_arraybuffer(env, sizeof j->crcs, &bytes, &buffer) != napi_ok) return NULL;
  memcpy(bytes, j->crcs, sizeof j->crcs);
  const napi_status status = napi_create_typedarray(env, napi_uint32_array, 3, buffer, 0, &answer);
  return status == napi_ok ? answer : NULL;
}
