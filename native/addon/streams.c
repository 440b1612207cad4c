#include "streams.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"

/* A quarter of the second-level cache of the processors of these years, with as much for its planes. */
#define PIECE_BYTES (256u * 1024u)
/* lib/base/limits.ts RUN_ELEMENTS */
#define RUN_ELEMENTS (1u << 20)
#define OFFSET_MAX ((int64_t)1 << 53)

static void state_of(call *c, view *v) {
  look(c, NAME("state"), v);
  if (!c->refused && v->length != sizeof(sha256_state)) {
    refuse(c, NAME("state"), "has %zu bytes, not %zu", v->length, sizeof(sha256_state));
  }
}

static napi_value short_of_memory(call *c) {
  napi_throw(c->env, error_of(c->env, DLV_ERR_MEMORY, "memory is short"));
  return NULL;
}

napi_value sha256_state_new(napi_env env, napi_callback_info info) {
  napi_value buffer = NULL, array;
  call c = begin(env, info, 0, NULL);
  if (!dlv_hashes_fast())
    return napi_get_null(env, &array) == napi_ok ? array : short_of_memory(&c);
  block *b = block_new(sizeof(sha256_state));
  void *data = NULL;
  if (b) {
    data = block_bytes(b);
    buffer = block_to_buffer(env, b, sizeof(sha256_state));
    block_release(b);
  }
  if (buffer == NULL && napi_create_arraybuffer(env, sizeof(sha256_state), &data, &buffer)) {
    return short_of_memory(&c);
  }
  dlv_sha256_start(data);
  const napi_status status =
      napi_create_typedarray(env, napi_uint8_array, sizeof(sha256_state), buffer, 0, &array);
  return status == napi_ok ? array : short_of_memory(&c);
}

napi_value sha256_state_update(napi_env env, napi_callback_info info) {
  napi_value args[2];
  view state, bytes;
  sha256_state s;
  call c = begin(env, info, 2, args);
  state.value = args[0];
  bytes.value = args[1];
  state_of(&c, &state);
  look(&c, NAME("bytes"), &bytes);
  if (c.refused) return throw_reason(&c);
  memcpy(&s, state.bytes, sizeof s);
  if (bytes.length > 0) dlv_sha256_update(&s, bytes.bytes, bytes.length);
  memcpy(state.bytes, &s, sizeof s);
  return NULL;
}

napi_value sha256_state_digest(napi_env env, napi_callback_info info) {
  napi_value buffer, array;
  view state;
  sha256_state s;
  void *digest;
  call c = begin(env, info, 1, &state.value);
  state_of(&c, &state);
  if (c.refused) return throw_reason(&c);
  memcpy(&s, state.bytes, sizeof s);
  if (napi_create_arraybuffer(env, SHA256_BYTES, &digest, &buffer) != napi_ok) {
    return short_of_memory(&c);
  }
  dlv_sha256_digest(&s, digest);
  const napi_status status =
      napi_create_typedarray(env, napi_uint8_array, SHA256_BYTES, buffer, 0, &array);
  return status == napi_ok ? array : short_of_memory(&c);
}

/* A job on planes, a file and a state. Memory that is elsewhere than in blocks makes it do nothing. */
static job *stream_job(call *c, task task, const napi_value *args, const view *planes,
                       uint32_t width, const view *state) {
  job *j = job_new(task);
  if (j == NULL || c->refused) return j;
  j->fd = (int)number_of(c, "fd", args[0], 0, INT32_MAX);
  j->width = width;
  j->state = state->bytes;
  j->is_elsewhere = !job_holds(j, state);
  for (uint32_t k = 0; k < width; k++) {
    j->planes[k] = planes[k].bytes;
    if (!job_holds(j, &planes[k])) j->is_elsewhere = 1;
  }
  return j;
}

napi_value write_planes(napi_env env, napi_callback_info info) {
  napi_value args[5];
  view planes[DLV_WIDTH_MAX], state;
  uint32_t width = 0;
  call c = begin(env, info, 5, args);
  list_of(&c, "planes", args[1], 1, DLV_WIDTH_MAX, planes, &width);
  const int big_endian = flag_of(&c, "bigEndian", args[2]);
  const uint32_t most = number_of(&c, "most", args[4], 0, UINT32_MAX);
  state.value = args[3];
  state_of(&c, &state);
  const uint32_t count = planes_of(&c, "planes", planes, width, 0, DLV_SEGMENT_ELEMENTS);
  apart(&c, "state", &state, 1, "planes", planes, width);
  job *j = stream_job(&c, WRITE, args, planes, width, &state);
  if (j == NULL) return job_start(&c, j);
  j->count = count;
  j->big_endian = big_endian;
  j->most = most;
  return job_start(&c, j);
}

napi_value read_planes(napi_env env, napi_callback_info info) {
  napi_value args[6];
  view planes[DLV_WIDTH_MAX], state, prefix;
  uint32_t width = 0;
  int64_t offset = -1;
  call c = begin(env, info, 6, args);
  if (napi_get_value_int64(env, args[1], &offset) != napi_ok || offset < 0 || offset > OFFSET_MAX) {
    refuse(&c, NAME("offset"), "is no place in a file");
  }
  list_of(&c, "planes", args[2], 1, DLV_WIDTH_MAX, planes, &width);
  const int big_endian = flag_of(&c, "bigEndian", args[3]);
  state.value = args[4];
  prefix.value = args[5];
  state_of(&c, &state);
  look(&c, NAME("prefix"), &prefix);
  if (!c.refused && prefix.length > SHA256_PREFIX_MAX) {
    refuse(&c, NAME("prefix"), "has %zu bytes, more than %d", prefix.length, SHA256_PREFIX_MAX);
  }
  const uint32_t count = planes_of(&c, "planes", planes, width, 0, RUN_ELEMENTS);
  apart(&c, "planes", planes, width, "state", &state, 1);
  job *j = stream_job(&c, READ, args, planes, width, &state);
  if (j == NULL || c.refused) return job_start(&c, j);
  j->count = count;
  j->big_endian = big_endian;
  j->offset = offset;
  job_copies(j, &prefix, &j->prefix);
  j->prefix_length = prefix.length;
  return job_start(&c, j);
}

/* Planes from element `from` on, in the order in which their bytes stand in a file. */
static void places_at(const job *j, uint32_t from, uint8_t **places) {
  for (uint32_t k = 0; k < j->width; k++) {
    const uint32_t at = j->big_endian ? j->width - 1 - k : k;
    places[at] = (uint8_t *)(uintptr_t)j->planes[k] + from;
  }
}

static size_t write_all(int fd, const uint8_t *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    const ssize_t wrote = write(fd, bytes + done, length - done);
    if (wrote > 0) done += (size_t)wrote;
    else if (wrote == 0 || errno != EINTR) break;
  }
  return done;
}

static size_t read_all(int fd, uint8_t *bytes, size_t length, int64_t offset) {
  size_t done = 0;
  while (done < length) {
    const ssize_t got = pread(fd, bytes + done, length - done, (off_t)(offset + (int64_t)done));
    if (got > 0) done += (size_t)got;
    else if (got == 0 || errno != EINTR) break;
  }
  return done;
}

void stream_write(job *j) {
  const uint32_t elements = PIECE_BYTES / j->width;
  sha256_state s;
  if (j->is_elsewhere) return;
  uint8_t *piece = scratch_take(PIECE_BYTES);
  if (piece == NULL) return;
  memcpy(&s, j->state, sizeof s);
  int is_broken = 0;
  for (uint32_t from = 0; from < j->count; from += elements) {
    uint8_t *places[DLV_WIDTH_MAX];
    const uint32_t n = j->count - from < elements ? j->count - from : elements;
    const size_t bytes = (size_t)n * j->width;
    places_at(j, from, places);
    dlv_merge((const uint8_t *const *)places, n, j->width, piece);
    dlv_sha256_update(&s, piece, bytes);
    if (is_broken) continue;
    const size_t left = j->most - j->done;
    const size_t wanted = bytes < left ? bytes : left;
    const size_t wrote = write_all(j->fd, piece, wanted);
    j->done += wrote;
    is_broken = wrote < bytes;
  }
  memcpy(j->state, &s, sizeof s);
  j->is_hashed = 1;
  scratch_give(piece);
}

void stream_read(job *j) {
  const uint32_t elements = PIECE_BYTES / j->width;
  sha256_state s, runs[DLV_WIDTH_MAX];
  if (j->is_elsewhere) return;
  uint8_t *piece = scratch_take(PIECE_BYTES);
  if (piece == NULL) return;
  memcpy(&s, j->state, sizeof s);
  for (uint32_t k = 0; k < j->width; k++) {
    dlv_sha256_start(&runs[k]);
    dlv_sha256_update(&runs[k], j->prefix, j->prefix_length);
  }
  for (uint32_t from = 0; from < j->count; from += elements) {
    uint8_t *places[DLV_WIDTH_MAX];
    const uint32_t n = j->count - from < elements ? j->count - from : elements;
    const size_t bytes = (size_t)n * j->width;
    if (read_all(j->fd, piece, bytes, j->offset + (int64_t)from * j->width) < bytes) break;
    places_at(j, from, places);
    dlv_split(piece, n, j->width, places);
    /* As many bytes of the file as of all planes: one of each in turn hides their latencies. */
    for (uint32_t k = 0; k < j->width; k++) {
      dlv_sha256_update_two(&s, piece + (size_t)k * n, n, &runs[k], j->planes[k] + from, n);
    }
    j->done += (uint32_t)bytes;
  }
  memcpy(j->state, &s, sizeof s);
  for (uint32_t k = 0; k < j->width; k++) {
    dlv_sha256_digest(&runs[k], j->digests + (size_t)SHA256_BYTES * k);
  }
  scratch_give(piece);
}

napi_value read_answer(napi_env env, const job *j) {
  napi_value answer, number, buffer, digests;
  void *bytes;
  const size_t length = (size_t)j->width * SHA256_BYTES;
  if (napi_create_object(env, &answer) != napi_ok ||
      napi_create_uint32(env, j->done, &number) != napi_ok ||
      napi_create_arraybuffer(env, length, &bytes, &buffer) != napi_ok) {
    return NULL;
  }
  memcpy(bytes, j->digests, length);
  if (napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &digests) != napi_ok ||
      napi_set_named_property(env, answer, "bytes", number) != napi_ok ||
      napi_set_named_property(env, answer, "digests", digests) != napi_ok) {
    return NULL;
  }
  return answer;
}
