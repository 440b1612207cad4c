#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "crc32.h"
#include "plan.h"

#define NO_SLOT 255u
#define RUN_ELEMENTS (1u << 20)
/* Classes of a record are at most 64 MiB each: lib/base/limits.ts. */
#define CLASS_BYTES_MAX (1u << 26)
#define ID_BYTES SHA256_BYTES

/* Memory of the caller's: planes of a record that was decoded, until another record takes their place. */
typedef struct {
  uint8_t *bytes;
  size_t room;
  uint32_t width, count; /* 0: nothing yet */
} slot;

typedef struct {
  uint8_t *bytes;
  size_t room;
} payload_memory;

typedef struct {
  uint32_t width, count, to, base;
  const uint8_t *head;
  size_t head_length;
  stored_class classes[3];
  uint32_t runs, first, all; /* runs of the record, its first one, and those of the whole extent */
  const uint8_t *hashes; /* of all runs, plane by plane */
  const uint8_t *id; /* that they give, or NULL if whoever asks has seen to that */
  uint64_t elements; /* of the whole extent */
} checked;

static int read_checked(plan_reader *p, checked *c) {
  memset(c, 0, sizeof *c);
  c->width = (uint32_t)plan_number(p, 1);
  c->to = (uint32_t)plan_number(p, 1);
  c->base = (uint32_t)plan_number(p, 1);
  const uint32_t has_id = (uint32_t)plan_number(p, 1);
  c->count = (uint32_t)plan_number(p, 4);
  c->first = (uint32_t)plan_number(p, 4);
  c->all = (uint32_t)plan_number(p, 4);
  c->elements = plan_number(p, 8);
  c->head_length = (size_t)plan_number(p, 4);
  for (int k = 0; k < 3; k++) {
    if (plan_class(p, &c->classes[k])) return DLV_ERR_ARGUMENT;
    if (c->classes[k].length > CLASS_BYTES_MAX) return DLV_ERR_ARGUMENT;
  }
  if (c->width == 0 || c->width > DLV_WIDTH_MAX || c->count == 0 ||
      c->count > DLV_SEGMENT_ELEMENTS || c->to == c->base || has_id > 1) {
    return DLV_ERR_ARGUMENT;
  }
  c->runs = (c->count + RUN_ELEMENTS - 1) / RUN_ELEMENTS;
  if (c->first > c->all || c->runs > c->all - c->first) return DLV_ERR_ARGUMENT;
  const size_t hashes = (size_t)c->width * c->all * SHA256_BYTES;
  if (input_take(&p->input, c->head_length, &c->head)) return DLV_ERR_ARGUMENT;
  if (input_take(&p->input, hashes, &c->hashes)) return DLV_ERR_ARGUMENT;
  if (has_id && input_take(&p->input, ID_BYTES, &c->id)) return DLV_ERR_ARGUMENT;
  return p->is_short ? DLV_ERR_ARGUMENT : DLV_OK;
}

static void hash(const char *domain, size_t domain_length, const uint8_t *bytes, size_t length,
                 uint8_t *digest) {
  dlv_sha256_many((const uint8_t *)domain, domain_length, &bytes, 1, length, digest);
}

/* 1 if the hashes of all runs give the id: docs/format/identity.md. */
static int gives_id(const checked *c) {
  static const char PLANE[] = "dlv:plane", EXTENT[] = "dlv:extent";
  uint8_t roots[DLV_WIDTH_MAX * SHA256_BYTES], end[1 + 1 + 8 + SHA256_BYTES], id[ID_BYTES];
  const size_t per_plane = (size_t)c->all * SHA256_BYTES;
  for (uint32_t k = 0; k < c->width; k++) {
    hash(PLANE, sizeof PLANE, c->hashes + k * per_plane, per_plane, roots + k * SHA256_BYTES);
  }
  end[0] = 1;
  end[1] = (uint8_t)c->width;
  for (int i = 0; i < 8; i++) end[2 + i] = (uint8_t)(c->elements >> 8 * i);
  hash("", 0, roots, (size_t)c->width * SHA256_BYTES, end + 10);
  hash(EXTENT, sizeof EXTENT, end, sizeof end, id);
  return memcmp(id, c->id, ID_BYTES) == 0;
}

/* 1 if the planes are those that the hashes are of. */
static int gives_hashes(const checked *c, const uint8_t *planes) {
  static const char RUN[] = "dlv:run";
  for (uint32_t run = 0; run < c->runs; run++) {
    const uint8_t *parts[DLV_WIDTH_MAX];
    uint8_t digests[DLV_WIDTH_MAX * SHA256_BYTES];
    const uint32_t from = run * RUN_ELEMENTS, left = c->count - from;
    for (uint32_t k = 0; k < c->width; k++) parts[k] = planes + (size_t)k * c->count + from;
    dlv_sha256_many((const uint8_t *)RUN, sizeof RUN, parts, c->width,
                    left < RUN_ELEMENTS ? left : RUN_ELEMENTS, digests);
    for (uint32_t k = 0; k < c->width; k++) {
      const uint8_t *known = c->hashes + ((size_t)k * c->all + c->first + run) * SHA256_BYTES;
      if (memcmp(digests + k * SHA256_BYTES, known, SHA256_BYTES) != 0) return 0;
    }
  }
  return 1;
}

static int read_class(const stored_class *from, uint8_t *to) {
  size_t done = 0;
  while (done < from->length) {
    const ssize_t got =
        pread(from->fd, to + done, from->length - done, (off_t)(from->offset + done));
    if (got > 0) done += (size_t)got;
    else if (got == 0 || errno != EINTR) return DLV_ERR_CORRUPT;
  }
  return crc32_of(0, to, from->length) == from->crc ? DLV_OK : DLV_ERR_CORRUPT;
}

/* Reads the payloads of a record, one behind the other. */
static int read_classes(const checked *c, payload_memory *m, const uint8_t **classes,
                        size_t *lengths) {
  size_t total = 0, at = 0;
  for (int k = 0; k < 3; k++) total += lengths[k] = (size_t)c->classes[k].length;
  if (total > m->room || m->bytes == NULL) {
    scratch_give(m->bytes);
    m->room = total;
    m->bytes = scratch_take(total + 1);
    if (m->bytes == NULL) return DLV_ERR_MEMORY;
  }
  for (int k = 0; k < 3; k++) {
    classes[k] = m->bytes + at;
    const int failed = read_class(&c->classes[k], m->bytes + at);
    if (failed) return failed;
    at += lengths[k];
  }
  return DLV_OK;
}

static int check_one(const checked *c, slot *slots, uint32_t count, payload_memory *memory) {
  const uint8_t *classes[3], *under[DLV_WIDTH_MAX];
  size_t lengths[3];
  uint8_t *out[DLV_WIDTH_MAX];
  if (c->to >= count || (c->base != NO_SLOT && c->base >= count)) return DLV_ERR_ARGUMENT;
  const slot *base = c->base == NO_SLOT ? NULL : &slots[c->base];
  slot *to = &slots[c->to];
  if (base && (base->width != c->width || base->count != c->count)) return DLV_ERR_ARGUMENT;
  if (to->room < (size_t)c->width * c->count) return DLV_ERR_ARGUMENT;
  if (c->id && !gives_id(c)) return DLV_ERR_DIFFERS;
  to->width = to->count = 0;
  int failed = read_classes(c, memory, classes, lengths);
  if (failed) return failed;
  for (uint32_t k = 0; k < c->width; k++) {
    out[k] = to->bytes + (size_t)k * c->count;
    under[k] = base ? base->bytes + (size_t)k * c->count : NULL;
  }
  failed = dlv_segment_decode(c->head, c->head_length, classes, lengths, base ? under : NULL,
                              base ? c->width : 0, c->count, c->width, c->width, out);
  /* Sizes were compared above: what does not fit the head is the head's fault. */
  if (failed) return failed == DLV_ERR_MEMORY ? failed : DLV_ERR_CORRUPT;
  to->width = c->width;
  to->count = c->count;
  return gives_hashes(c, to->bytes) ? DLV_OK : DLV_ERR_DIFFERS;
}

/* What the slots hold before the first record. */
static int read_slots(plan_reader *p, const job *j, slot *slots) {
  if (plan_number(p, 4) != j->width) return DLV_ERR_ARGUMENT;
  for (uint32_t i = 0; i < j->width; i++) {
    slot *s = &slots[i];
    s->bytes = (uint8_t *)(uintptr_t)j->slots[i];
    s->room = j->slot_lengths[i];
    s->width = (uint32_t)plan_number(p, 1);
    s->count = (uint32_t)plan_number(p, 4);
    if (s->width > DLV_WIDTH_MAX || (uint64_t)s->width * s->count > s->room)
      return DLV_ERR_ARGUMENT;
  }
  return DLV_OK;
}

int check_execute(job *j) {
  plan_reader p = {{j->head, j->head + j->head_length}, 0};
  const uint32_t count = (uint32_t)plan_number(&p, 4);
  slot slots[JOB_SLOTS_MAX];
  payload_memory memory = {NULL, 0};
  int failed = read_slots(&p, j, slots);
  for (j->done = 0; j->done < count && !failed; j->done += !failed) {
    checked c;
    if (j->aborted && *j->aborted) failed = DLV_ERR_ABORTED;
    if (!failed) failed = read_checked(&p, &c);
    if (!failed) failed = check_one(&c, slots, j->width, &memory);
  }
  scratch_give(memory.bytes);
  if (!failed && (p.is_short || p.input.at != p.input.end)) failed = DLV_ERR_ARGUMENT;
  /* That a record is wrong is an answer. */
  const int is_wrong = failed == DLV_ERR_CORRUPT || failed == DLV_ERR_DIFFERS;
  return is_wrong ? DLV_OK : failed;
}

napi_value check_records(napi_env env, napi_callback_info info) {
  napi_value args[3];
  view plan, slots[JOB_SLOTS_MAX];
  call c = begin(env, info, 3, args);
  job *j = job_new(CHECK);
  if (c.refused || j == NULL) return job_start(&c, j);
  list_of(&c, "slots", args[1], 1, JOB_SLOTS_MAX, slots, &j->width);
  plan.value = args[0];
  look(&c, NAME("plan"), &plan);
  for (uint32_t i = 0; i < j->width; i++) look(&c, (name){"slots", (int)i}, &slots[i]);
  apart(&c, "slots", slots, j->width, "plan", &plan, 1);
  job_keeps_abort(&c, j, args[2]);
  if (c.refused) return job_start(&c, j);
  job_copies(j, &plan, &j->head);
  j->head_length = plan.length;
  for (uint32_t i = 0; i < j->width && !c.refused; i++) {
    j->slots[i] = slots[i].bytes;
    j->slot_lengths[i] = slots[i].length;
    if (!job_holds(j, &slots[i])) refuse(&c, (name){"slots", (int)i}, "is not of 'allocate'");
  }
  return job_start(&c, j);
}

napi_value check_answer(napi_env env, const job *j) {
  napi_value number;
  return napi_create_uint32(env, j->done, &number) == napi_ok ? number : NULL;
}
