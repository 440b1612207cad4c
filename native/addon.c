/*
 * N-API face of the kernel: work runs on libuv's pool, on buffers that stay JavaScript's.
 *
 * encode(planes, base | null, level, noPrefix, abort?, room?)
 *     → Promise<{ head, hi, mid, low, usesBase }>
 * decode(head, [hi, mid, low], base | null, count, width, wanted, out?, abort?) → Promise<Uint8Array[]>
 * split(bytes, width) → Uint8Array[]; splitInto(bytes, planes); merge(planes, target)
 * sha256Many(prefix, parts of equal length) → Promise<Uint8Array> of 32 bytes for each part
 * cutChunk(bytes) → number; sketchDistances(sketch, width, rows, stride) → Uint32Array
 * isa(); forcePortable(on)
 *
 * abort is an Int32Array of one number: the work ends soon once it is not 0. room is memory of the
 * caller, as long as the planes, which hi, mid and low are put into where they fit.
 *
 * A promise is rejected with an Error whose `kernel` is the error number of kernel.h.
 */
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "buffer.h"
#include "chunk.h"
#include "kernel.h"
#include "sha256.h"
#include "sketch.h"

#define CHECK(call)                                        \
  do {                                                     \
    if ((call) != napi_ok) {                               \
      napi_throw_error(env, NULL, "kernel: bad argument"); \
      return NULL;                                         \
    }                                                      \
  } while (0)

typedef struct {
  int encoding;
  /* sha256Many: its parts are `planes`, `width` of them. */
  uint8_t *digests;
  const uint8_t *prefix;
  size_t prefix_length;
  const uint8_t *planes[DLV_WIDTH_MAX];
  const uint8_t *base[DLV_WIDTH_MAX];
  int has_base;
  uint32_t count, width, wanted;
  int level, no_prefix;
  const uint8_t *head;
  size_t head_length;
  const uint8_t *classes[3];
  size_t class_lengths[3];
  uint8_t *out[DLV_WIDTH_MAX];
  dlv_encoded encoded;
  /* Memory of the caller for the payloads, or NULL. */
  const uint8_t *room;
  /* Set by JavaScript meanwhile; may be NULL. */
  const volatile int32_t *aborted;
  int result;
  napi_async_work work;
  napi_deferred deferred;
  /* Keeps every buffer above alive while the pool works on it. */
  napi_ref keep;
} job;

static int bytes_of(napi_env env, napi_value value, const uint8_t **bytes, size_t *length) {
  napi_typedarray_type type;
  void *data;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return -1;
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok) return -1;
  if (type != napi_uint8_array) return -1;
  *bytes = data;
  return 0;
}

/* Reads an abort flag; one that is missing (undefined) stays NULL. */
static int flag_of(napi_env env, napi_value value, const volatile int32_t **flag) {
  napi_typedarray_type type;
  napi_valuetype kind;
  size_t length;
  void *data;
  bool is_typed = false;
  if (napi_typeof(env, value, &kind) != napi_ok) return -1;
  if (kind == napi_undefined) return 0;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return -1;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok) return -1;
  if (type != napi_int32_array || length != 1) return -1;
  *flag = data;
  return 0;
}

/* Reads an array of planes of equal length. Returns their number, or −1. */
static int planes_of(napi_env env, napi_value array, const uint8_t **planes, uint32_t *count) {
  uint32_t length;
  if (napi_get_array_length(env, array, &length) != napi_ok) return -1;
  if (length == 0 || length > DLV_WIDTH_MAX) return -1;
  for (uint32_t k = 0; k < length; k++) {
    napi_value value;
    size_t bytes;
    if (napi_get_element(env, array, k, &value) != napi_ok) return -1;
    if (bytes_of(env, value, &planes[k], &bytes)) return -1;
    if (bytes > DLV_SEGMENT_ELEMENTS || (k > 0 && bytes != *count)) return -1;
    *count = (uint32_t)bytes;
  }
  return (int)length;
}

static void execute(napi_env env, void *data) {
  (void)env;
  job *j = data;
  const uint8_t *const *base = j->has_base ? j->base : NULL;
  if (j->digests) {
    dlv_sha256_many(j->prefix, j->prefix_length, j->planes, j->width, j->count, j->digests);
  } else if (j->aborted && *j->aborted) {
    j->result = DLV_ERR_ABORTED;
  } else if (j->encoding) {
    j->result = dlv_segment_encode(j->planes, base, j->count, j->width, j->level, j->no_prefix,
                                   j->aborted, &j->encoded);
  } else {
    j->result = dlv_segment_decode(j->head, j->head_length, j->classes, j->class_lengths, base,
                                   j->count, j->width, j->wanted, j->out);
  }
}

static void free_bytes(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  scratch_give(data);
}

/* A shorter buffer is copied: a finalizer for each costs more. */
#define EXTERNAL_MIN (64u * 1024u)

/* Hands a buffer over to JavaScript, a large one without copying it. */
static napi_value take_buffer(napi_env env, dlv_buffer *buffer) {
  napi_value memory, array;
  if (buffer->length < EXTERNAL_MIN) {
    void *copy;
    napi_create_arraybuffer(env, buffer->length, &copy, &memory);
    if (buffer->length > 0) memcpy(copy, buffer->bytes, buffer->length);
  } else {
    if (napi_create_external_arraybuffer(env, buffer->bytes, buffer->length, free_bytes, NULL,
                                         &memory) == napi_ok) {
      buffer->bytes = NULL;
    } else {
      void *copy;
      napi_create_arraybuffer(env, buffer->length, &copy, &memory);
      memcpy(copy, buffer->bytes, buffer->length);
    }
  }
  napi_create_typedarray(env, napi_uint8_array, buffer->length, memory, 0, &array);
  return array;
}

/* A view of a payload that is in the caller's memory. */
static napi_value view_room(napi_env env, const job *j, const dlv_buffer *payload) {
  napi_value kept, room, memory, array;
  size_t offset;
  napi_get_reference_value(env, j->keep, &kept);
  napi_get_named_property(env, kept, "room", &room);
  napi_get_typedarray_info(env, room, NULL, NULL, NULL, &memory, &offset);
  offset += (size_t)(payload->bytes - j->room);
  napi_create_typedarray(env, napi_uint8_array, payload->length, memory, offset, &array);
  return array;
}

static void finish(napi_env env, napi_status status, void *data) {
  job *j = data;
  napi_value answer, kept;
  if (status != napi_ok) j->result = DLV_ERR_ABORTED;
  if (j->result != DLV_OK) {
    napi_value message, number;
    napi_create_string_utf8(env, "kernel failed", NAPI_AUTO_LENGTH, &message);
    napi_create_error(env, NULL, message, &answer);
    napi_create_int32(env, j->result, &number);
    napi_set_named_property(env, answer, "kernel", number);
    napi_reject_deferred(env, j->deferred, answer);
  } else if (j->encoding) {
    static const char *const NAMES[] = {"hi", "mid", "low"};
    napi_value uses_base;
    napi_create_object(env, &answer);
    napi_set_named_property(env, answer, "head", take_buffer(env, &j->encoded.head));
    for (int c = 0; c < 3; c++) {
      dlv_buffer *payload = &j->encoded.classes[c];
      const napi_value bytes =
          payload->lent ? view_room(env, j, payload) : take_buffer(env, payload);
      napi_set_named_property(env, answer, NAMES[c], bytes);
    }
    napi_get_boolean(env, j->encoded.uses_base, &uses_base);
    napi_set_named_property(env, answer, "usesBase", uses_base);
    napi_resolve_deferred(env, j->deferred, answer);
  } else {
    napi_get_reference_value(env, j->keep, &kept);
    napi_get_named_property(env, kept, "planes", &answer);
    napi_resolve_deferred(env, j->deferred, answer);
  }
  if (j->encoding) dlv_encoded_free(&j->encoded);
  napi_delete_reference(env, j->keep);
  napi_delete_async_work(env, j->work);
  free(j);
}

/* Queues a job; takes it over. */
static napi_value start(napi_env env, job *j, napi_value keep) {
  napi_value promise, name;
  if (napi_create_reference(env, keep, 1, &j->keep) != napi_ok ||
      napi_create_promise(env, &j->deferred, &promise) != napi_ok ||
      napi_create_string_utf8(env, "dlv kernel", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, execute, finish, j, &j->work) != napi_ok ||
      napi_queue_async_work(env, j->work) != napi_ok) {
    free(j);
    napi_throw_error(env, NULL, "kernel: cannot start");
    return NULL;
  }
  return promise;
}

static int is_null(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_null;
}

static int is_undefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

static int is_array(napi_env env, napi_value value) {
  bool answer = false;
  return napi_is_array(env, value, &answer) == napi_ok && answer;
}

static napi_value encode(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value args[6], keep;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  job *j = calloc(1, sizeof *j);
  if (j == NULL) CHECK(napi_generic_failure);
  j->encoding = 1;
  const int width = planes_of(env, args[0], j->planes, &j->count);
  int bad = width < 0 || argc < 4 || flag_of(env, args[4], &j->aborted);
  if (!bad && !is_null(env, args[1])) {
    uint32_t base_count = 0;
    j->has_base = 1;
    bad = planes_of(env, args[1], j->base, &base_count) != width || base_count != j->count;
  }
  bool no_prefix = false;
  if (!bad && !is_undefined(env, args[5])) {
    size_t room_length = 0;
    bad = bytes_of(env, args[5], &j->room, &room_length);
    if (!bad && room_length >= (size_t)width * j->count) {
      dlv_encoded_lend(&j->encoded, (uint8_t *)j->room, j->count, (uint32_t)width);
    }
  }
  bad = bad || napi_get_value_int32(env, args[2], &j->level) != napi_ok ||
        napi_get_value_bool(env, args[3], &no_prefix) != napi_ok;
  if (bad) {
    free(j);
    CHECK(napi_invalid_arg);
  }
  j->width = (uint32_t)width;
  j->no_prefix = no_prefix;
  napi_create_object(env, &keep);
  napi_set_named_property(env, keep, "child", args[0]);
  napi_set_named_property(env, keep, "base", args[1]);
  napi_set_named_property(env, keep, "abort", args[4]);
  napi_set_named_property(env, keep, "room", args[5]);
  return start(env, j, keep);
}

static napi_value decode(napi_env env, napi_callback_info info) {
  size_t argc = 8;
  napi_value args[8], keep, planes;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  job *j = calloc(1, sizeof *j);
  if (j == NULL) CHECK(napi_generic_failure);
  /* Missing arguments are undefined. */
  const int has_out = argc > 6 && is_array(env, args[6]);
  int bad = argc < 6 || bytes_of(env, args[0], &j->head, &j->head_length) ||
            flag_of(env, args[7], &j->aborted);
  for (uint32_t c = 0; c < 3 && !bad; c++) {
    napi_value value;
    bad = napi_get_element(env, args[1], c, &value) != napi_ok ||
          bytes_of(env, value, &j->classes[c], &j->class_lengths[c]);
  }
  bad = bad || napi_get_value_uint32(env, args[3], &j->count) != napi_ok ||
        napi_get_value_uint32(env, args[4], &j->width) != napi_ok ||
        napi_get_value_uint32(env, args[5], &j->wanted) != napi_ok;
  bad = bad || j->count == 0 || j->count > DLV_SEGMENT_ELEMENTS || j->width == 0 ||
        j->width > DLV_WIDTH_MAX || j->wanted == 0 || j->wanted > j->width;
  if (!bad && !is_null(env, args[2])) {
    uint32_t base_count = 0;
    j->has_base = 1;
    const int given = planes_of(env, args[2], j->base, &base_count);
    bad = given < (int)j->wanted || base_count != j->count;
  }
  if (!bad && has_out) {
    uint32_t out_count = 0;
    bad = planes_of(env, args[6], (const uint8_t **)j->out, &out_count) != (int)j->wanted ||
          out_count != j->count;
  }
  if (bad) {
    free(j);
    CHECK(napi_invalid_arg);
  }
  napi_create_object(env, &keep);
  if (has_out) {
    planes = args[6];
  } else {
    napi_create_array_with_length(env, j->wanted, &planes);
  }
  for (uint32_t k = 0; k < j->wanted && !has_out; k++) {
    napi_value memory, array;
    void *data;
    if (napi_create_arraybuffer(env, j->count, &data, &memory) != napi_ok) {
      free(j);
      CHECK(napi_generic_failure);
    }
    napi_create_typedarray(env, napi_uint8_array, j->count, memory, 0, &array);
    napi_set_element(env, planes, k, array);
    j->out[k] = data;
  }
  napi_set_named_property(env, keep, "planes", planes);
  napi_set_named_property(env, keep, "head", args[0]);
  napi_set_named_property(env, keep, "classes", args[1]);
  napi_set_named_property(env, keep, "base", args[2]);
  napi_set_named_property(env, keep, "abort", args[7]);
  return start(env, j, keep);
}

static napi_value sha256_many(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value args[2], keep, memory, digests;
  void *data;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  job *j = calloc(1, sizeof *j);
  if (j == NULL) CHECK(napi_generic_failure);
  const int parts = argc == 2 ? planes_of(env, args[1], j->planes, &j->count) : -1;
  if (parts < 0 || bytes_of(env, args[0], &j->prefix, &j->prefix_length) ||
      j->prefix_length > SHA256_PREFIX_MAX ||
      napi_create_arraybuffer(env, (size_t)parts * SHA256_BYTES, &data, &memory) != napi_ok) {
    free(j);
    CHECK(napi_invalid_arg);
  }
  j->width = (uint32_t)parts;
  j->digests = data;
  napi_create_typedarray(env, napi_uint8_array, (size_t)parts * SHA256_BYTES, memory, 0, &digests);
  napi_create_object(env, &keep);
  napi_set_named_property(env, keep, "planes", digests);
  napi_set_named_property(env, keep, "parts", args[1]);
  napi_set_named_property(env, keep, "prefix", args[0]);
  return start(env, j, keep);
}

static napi_value split(napi_env env, napi_callback_info info) {
  size_t argc = 2, length;
  napi_value args[2], planes;
  const uint8_t *bytes;
  uint8_t *out[DLV_WIDTH_MAX];
  uint32_t width;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  if (bytes_of(env, args[0], &bytes, &length)) CHECK(napi_invalid_arg);
  CHECK(napi_get_value_uint32(env, args[1], &width));
  if (width == 0 || width > DLV_WIDTH_MAX || length % width != 0 || length / width > UINT32_MAX) {
    CHECK(napi_invalid_arg);
  }
  const uint32_t count = (uint32_t)(length / width);
  CHECK(napi_create_array_with_length(env, width, &planes));
  for (uint32_t k = 0; k < width; k++) {
    napi_value memory, array;
    void *data;
    CHECK(napi_create_arraybuffer(env, count, &data, &memory));
    CHECK(napi_create_typedarray(env, napi_uint8_array, count, memory, 0, &array));
    CHECK(napi_set_element(env, planes, k, array));
    out[k] = data;
  }
  if (count > 0) dlv_split(bytes, count, width, out);
  return planes;
}

static napi_value split_into(napi_env env, napi_callback_info info) {
  size_t argc = 2, length;
  napi_value args[2];
  const uint8_t *bytes, *planes[DLV_WIDTH_MAX];
  uint32_t count = 0;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  const int width = planes_of(env, args[1], planes, &count);
  if (width < 0 || bytes_of(env, args[0], &bytes, &length) || length != (size_t)width * count) {
    CHECK(napi_invalid_arg);
  }
  if (count > 0) dlv_split(bytes, count, (uint32_t)width, (uint8_t *const *)planes);
  return NULL;
}

static napi_value merge(napi_env env, napi_callback_info info) {
  size_t argc = 2, length;
  napi_value args[2];
  const uint8_t *planes[DLV_WIDTH_MAX], *target;
  uint32_t count = 0;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  const int width = planes_of(env, args[0], planes, &count);
  if (width < 0 || bytes_of(env, args[1], &target, &length) || length != (size_t)width * count) {
    CHECK(napi_invalid_arg);
  }
  if (count > 0) dlv_merge(planes, count, (uint32_t)width, (uint8_t *)target);
  return NULL;
}

static napi_value cut_chunk(napi_env env, napi_callback_info info) {
  size_t argc = 1, length;
  napi_value args[1], answer;
  const uint8_t *bytes;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  if (argc != 1 || bytes_of(env, args[0], &bytes, &length)) CHECK(napi_invalid_arg);
  CHECK(napi_create_uint32(env, (uint32_t)dlv_cut_chunk(bytes, length), &answer));
  return answer;
}

static napi_value sketch_distances(napi_env env, napi_callback_info info) {
  size_t argc = 4, length, rows_length;
  napi_value args[4], memory, answer;
  const uint8_t *sketch, *rows;
  uint32_t width, stride;
  void *sums;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  if (argc != 4 || bytes_of(env, args[0], &sketch, &length) ||
      bytes_of(env, args[2], &rows, &rows_length)) {
    CHECK(napi_invalid_arg);
  }
  CHECK(napi_get_value_uint32(env, args[1], &width));
  CHECK(napi_get_value_uint32(env, args[3], &stride));
  if (width == 0 || width > DLV_WIDTH_MAX || length == 0 || length % width != 0 ||
      length > stride || rows_length % stride != 0 || rows_length / stride > UINT32_MAX / 4) {
    CHECK(napi_invalid_arg);
  }
  const size_t count = rows_length / stride;
  CHECK(napi_create_arraybuffer(env, 4 * count, &sums, &memory));
  dlv_sketch_distances(sketch, (uint32_t)length, width, rows, count, stride, sums);
  CHECK(napi_create_typedarray(env, napi_uint32_array, count, memory, 0, &answer));
  return answer;
}

static napi_value isa(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value name;
  CHECK(napi_create_string_utf8(env, dlv_isa(), NAPI_AUTO_LENGTH, &name));
  return name;
}

static napi_value force_portable(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value args[1];
  bool on;
  CHECK(napi_get_cb_info(env, info, &argc, args, NULL, NULL));
  CHECK(napi_get_value_bool(env, args[0], &on));
  dlv_force_portable(on);
  return NULL;
}

NAPI_MODULE_INIT() {
#if defined(__GLIBC__)
  /* Buffers of megabytes go back to the system when they are freed: kept in the heaps of the pool's
   * threads they made a third of the memory of a large commit. */
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  const struct {
    const char *name;
    napi_callback callback;
  } functions[] = {{"encode", encode},
                   {"decode", decode},
                   {"split", split},
                   {"splitInto", split_into},
                   {"merge", merge},
                   {"isa", isa},
                   {"sha256Many", sha256_many},
                   {"cutChunk", cut_chunk},
                   {"sketchDistances", sketch_distances},
                   {"forcePortable", force_portable}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    CHECK(napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].callback,
                               NULL, &function));
    CHECK(napi_set_named_property(env, exports, functions[i].name, function));
  }
  return exports;
}
