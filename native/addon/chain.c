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
} chain_link;

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

/* Copies what a sample holds of a block of one link; `order` counts the links that are sampled. */
static void take_sample(const job *j, uint32_t order, const uint8_t *const *block, uint32_t from,
                        uint32_t n) {
  const sampling *s = &j->sample;
  const size_t plane_bytes = (size_t)s->pieces * s->length;
  uint8_t *to = (uint8_t *)(uintptr_t)j->out[0] + order * s->planes * plane_bytes;
  for (uint32_t i = 0; i < s->pieces; i++) {
    const sampled_part part = part_of(s, i, from, n);
    for (uint32_t k = 0; k < s->planes && part.to > part.from; k++) {
      memcpy(to + k * plane_bytes + part.place, block[k] + (part.from - from), part.to - part.from);
    }
  }
}

/* A block of all links: the last one into the planes of the job, or samples of those that are sampled. */
static int chain_block(const job *j, chain_link *links, uint32_t count, uint32_t from, uint32_t n,
                       uint8_t *memory) {
  const uint8_t *under[DLV_WIDTH_MAX];
  const int samples = j->sample.pieces > 0;
  const int takes = samples && is_sampled(&j->sample, from, n);
  uint32_t order = 0;
  for (uint32_t k = 0; k < DLV_WIDTH_MAX; k++) {
    under[k] = j->has_base && k < j->base_width ? j->base[k] + from : NULL;
  }
  for (uint32_t i = 0; i < count; i++) {
    chain_link *l = &links[i];
    const int is_whole = !samples && i + 1 == count;
    uint8_t *out[DLV_WIDTH_MAX];
    for (uint32_t k = 0; k < l->wanted; k++) {
      const uint32_t place = (i & 1) * DLV_WIDTH_MAX + k;
      out[k] = is_whole ? (uint8_t *)(uintptr_t)j->out[k] + from
                        : memory + (size_t)place * BLOCK_ELEMENTS;
    }
    if (l->is_same) {
      /* Stays where it is: the link after the next one must not write over it. */
      for (uint32_t k = 0; k < l->wanted; k++) memmove(out[k], under[k], n);
    } else {
      l->reader.wanted = samples && !takes ? l->needed : l->wanted;
      const int failed = reader_block(&l->reader, from, n, l->base_planes > 0 ? under : NULL, out);
      l->reader.wanted = l->wanted;
      if (failed) return failed;
    }
    for (uint32_t k = 0; k < l->wanted; k++) under[k] = out[k];
    if (takes && j->sample.links >> i & 1) take_sample(j, order++, under, from, n);
  }
  return DLV_OK;
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

int chain_decode(job *j) {
  const sampling *s = &j->sample;
  plan_reader p = {{j->head, j->head + j->head_length}, 0};
  const uint32_t count = (uint32_t)plan_number(&p, 4);
  if (count == 0 || count > LINKS_MAX) return DLV_ERR_ARGUMENT;
  chain_link *links = calloc(count, sizeof *links);
  uint8_t *memory = scratch_take((size_t)2 * DLV_WIDTH_MAX * BLOCK_ELEMENTS);
  int failed = links && memory ? DLV_OK : DLV_ERR_MEMORY;
  uint32_t below = j->has_base ? j->base_width : 0;
  for (uint32_t i = 0; i < count && !failed; i++) {
    failed = open_link(&links[i], &p, j->count, below);
    below = links[i].wanted;
  }
  if (!failed && p.input.at != p.input.end) failed = DLV_ERR_ARGUMENT;
  if (!failed) failed = links_fit(j, links, count);
  for (uint32_t i = 0; i < count && !failed; i++) {
    const uint32_t above = i + 1 < count ? links[i + 1].base_planes : 0;
    const int is_taken = s->pieces > 0 && (s->links >> i & 1);
    links[i].needed = is_taken ? needed_planes(&links[i], above) : links[i].wanted;
  }
  /* Behind the last piece of a sample nothing is wanted, and nothing is compared unless that is the end. */
  const uint32_t end = s->pieces > 0 ? (s->pieces - 1) * s->step + s->length : j->count;
  uint32_t from = 0;
  for (; from < end && !failed; from += BLOCK_ELEMENTS) {
    const uint32_t n = j->count - from < BLOCK_ELEMENTS ? j->count - from : BLOCK_ELEMENTS;
    if (j->aborted && *j->aborted) failed = DLV_ERR_ABORTED;
    else failed = chain_block(j, links, count, from, n, memory);
  }
  for (uint32_t i = 0; links && i < count; i++) {
    if (!failed && from >= j->count) failed = check_link(&links[i]);
    reader_end(&links[i].reader);
  }
  free(links);
  scratch_give(memory);
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
