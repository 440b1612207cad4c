/*
 * N-API interface of the kernel. Start here; calls on the pool are in jobs.c.
 *
 * JavaScript can detach, transfer, resize or share every buffer, and getters of an array run in the
 * middle of a call. So arguments.h reads them in two steps, and a job works on copies, or on memory
 * that JavaScript cannot take away (blocks.h). `allocate` returns such memory; other buffers also work, but
 * are copied.
 *
 * What is refused is an Error whose `kernel` is a number of kernel.h: thrown here, a rejection there.
 */
#include <node_api.h>
#include <string.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "arguments.h"
#include "blocks.h"
#include "buffer.h"
#include "chain.h"
#include "check.h"
#include "chunk.h"
#include "drift.h"
#include "guard.h"
#include "jobs.h"
#include "kernel.h"
#include "lz4.h"
#include "sketch.h"
#include "streams.h"
#include "team.h"

/* Raised when what functions take or answer changes: lib/base/native/kernel.ts asks for its own. */
#define INTERFACE_VERSION 11
#define ALLOCATE_MAX (1u << 30)

/* Throws what the call is refused for, or that the answer cannot be made. */
static napi_value fail(call *c) {
  bool is_pending = false;
  if (c->refused) return throw_reason(c);
  napi_is_exception_pending(c->env, &is_pending);
  if (!is_pending) napi_throw(c->env, error_of(c->env, DLV_ERR_MEMORY, "memory is short"));
  return NULL;
}

/* allocate(bytes) → Uint8Array of a block, with any content */
static napi_value allocate(napi_env env, napi_callback_info info) {
  napi_value size, buffer, array;
  call c = begin(env, info, 1, &size);
  const uint32_t bytes = number_of(&c, "bytes", size, 1, ALLOCATE_MAX);
  if (c.refused) return fail(&c);
  block *b = block_new(bytes);
  if (b == NULL) return fail(&c);
  void *data;
  buffer = block_to_buffer(env, b, bytes);
  block_release(b);
  /* Where ArrayBuffers must have memory of their own, this is one of them. */
  if (buffer == NULL && napi_create_arraybuffer(env, bytes, &data, &buffer) != napi_ok) {
    return fail(&c);
  }
  if (napi_create_typedarray(env, napi_uint8_array, bytes, buffer, 0, &array) != napi_ok) {
    return fail(&c);
  }
  return array;
}

/*
 * keep(bytes): V8 counts so many bytes less outside of its heap, by which it decides when to collect. For memory of
 * `allocate` that is used again until the process ends: no collection would free it.
 */
static napi_value keep(napi_env env, napi_callback_info info) {
  napi_value size;
  int64_t counted;
  call c = begin(env, info, 1, &size);
  const uint32_t bytes = number_of(&c, "bytes", size, 1, ALLOCATE_MAX);
  if (c.refused) return fail(&c);
  napi_adjust_external_memory(env, -(int64_t)bytes, &counted);
  return NULL;
}

/* Bytes of elements and their planes, in either order; returns the number of elements. */
static uint32_t elements_of(call *c, const char *of, view *bytes, view *planes, uint32_t width) {
  const uint32_t count = planes_of(c, "planes", planes, width, 0, UINT32_MAX);
  look(c, NAME(of), bytes);
  if (!c->refused && bytes->length != (size_t)width * count) {
    refuse(c, NAME(of), "has %zu bytes, not %zu", bytes->length, (size_t)width * count);
  }
  return count;
}

static void plane_places(const view *planes, uint32_t width, uint8_t **places) {
  for (uint32_t k = 0; k < width; k++) places[k] = planes[k].bytes;
}

/* splitInto(bytes, planes) */
static napi_value split_into(napi_env env, napi_callback_info info) {
  napi_value args[2];
  view bytes, planes[DLV_WIDTH_MAX];
  uint8_t *places[DLV_WIDTH_MAX];
  uint32_t width = 0;
  call c = begin(env, info, 2, args);
  bytes.value = args[0];
  list_of(&c, "planes", args[1], 1, DLV_WIDTH_MAX, planes, &width);
  const uint32_t count = elements_of(&c, "bytes", &bytes, planes, width);
  apart(&c, "planes", planes, width, "bytes", &bytes, 1);
  if (c.refused) return fail(&c);
  plane_places(planes, width, places);
  if (count > 0) dlv_split(bytes.bytes, count, width, places);
  return NULL;
}

/* merge(planes, target) */
static napi_value merge(napi_env env, napi_callback_info info) {
  napi_value args[2];
  view target, planes[DLV_WIDTH_MAX];
  uint8_t *places[DLV_WIDTH_MAX];
  uint32_t width = 0;
  call c = begin(env, info, 2, args);
  target.value = args[1];
  list_of(&c, "planes", args[0], 1, DLV_WIDTH_MAX, planes, &width);
  const uint32_t count = elements_of(&c, "target", &target, planes, width);
  apart(&c, "target", &target, 1, "planes", planes, width);
  if (c.refused) return fail(&c);
  plane_places(planes, width, places);
  if (count > 0) dlv_merge((const uint8_t *const *)places, count, width, target.bytes);
  return NULL;
}

/* cutChunk(bytes) → length of the first chunk */
static napi_value cut_chunk(napi_env env, napi_callback_info info) {
  napi_value answer;
  view bytes;
  call c = begin(env, info, 1, &bytes.value);
  look(&c, NAME("bytes"), &bytes);
  if (c.refused) return fail(&c);
  const uint32_t length = (uint32_t)dlv_cut_chunk(bytes.bytes, bytes.length);
  return napi_create_uint32(env, length, &answer) == napi_ok ? answer : fail(&c);
}

/* lz4BytesMin(bytes) → bytes that no block of LZ4 is shorter than */
static napi_value lz4_min(napi_env env, napi_callback_info info) {
  napi_value answer;
  view bytes;
  call c = begin(env, info, 1, &bytes.value);
  look(&c, NAME("bytes"), &bytes);
  if (c.refused) return fail(&c);
  const uint32_t least = lz4_bytes_min(bytes.bytes, bytes.length);
  return napi_create_uint32(env, least, &answer) == napi_ok ? answer : fail(&c);
}

/* sketchDistances(sketch, width, rows, stride) → Uint32Array, a number for each row */
static napi_value sketch_distances(napi_env env, napi_callback_info info) {
  napi_value args[4], memory, answer;
  view sketch, rows;
  void *sums;
  call c = begin(env, info, 4, args);
  sketch.value = args[0];
  rows.value = args[2];
  const uint32_t width = number_of(&c, "width", args[1], 1, DLV_WIDTH_MAX);
  const uint32_t stride = number_of(&c, "stride", args[3], 1, UINT32_MAX);
  look(&c, NAME("sketch"), &sketch);
  look(&c, NAME("rows"), &rows);
  if (!c.refused && (sketch.length == 0 || sketch.length % width || sketch.length > stride)) {
    refuse(&c, NAME("sketch"), "has %zu bytes, in rows of %u", sketch.length, stride);
  }
  if (!c.refused && (rows.length % stride || rows.length / stride > UINT32_MAX / 4)) {
    refuse(&c, NAME("rows"), "has %zu bytes, in rows of %u", rows.length, stride);
  }
  if (c.refused) return fail(&c);
  const size_t count = rows.length / stride;
  if (napi_create_arraybuffer(env, 4 * count, &sums, &memory) != napi_ok ||
      napi_create_typedarray(env, napi_uint32_array, count, memory, 0, &answer) != napi_ok) {
    return fail(&c);
  }
  dlv_sketch_distances(sketch.bytes, (uint32_t)sketch.length, width, rows.bytes, count, stride,
                       sums);
  return answer;
}

/* Planes of elements of a kind: at most as many as its width. */
static uint32_t kind_planes(call *c, const char *of, view *planes, uint32_t count, uint32_t kind,
                            uint32_t least, uint32_t most) {
  if (!c->refused && count > dlv_kind_width(kind)) {
    refuse(c, NAME(of), "has %u planes, and elements of %u bytes", count, dlv_kind_width(kind));
  }
  return planes_of(c, of, planes, count, least, most);
}

static void check_length(call *c, const char *of, const view *v, size_t length) {
  if (!c->refused && v->length != length) {
    refuse(c, NAME(of), "has %zu bytes, not %zu", v->length, length);
  }
}

/* drift(a, aKind, b, bKind, state): planes of as many elements, numbers as bytes */
static napi_value drift(napi_env env, napi_callback_info info) {
  napi_value args[5];
  view a[DLV_WIDTH_MAX], b[DLV_WIDTH_MAX], state;
  uint8_t *a_places[DLV_WIDTH_MAX], *b_places[DLV_WIDTH_MAX];
  uint32_t a_planes = 0, b_planes = 0;
  double numbers[DRIFT_FIELDS];
  call c = begin(env, info, 5, args);
  list_of(&c, "a", args[0], 1, DLV_WIDTH_MAX, a, &a_planes);
  const uint32_t a_kind = number_of(&c, "aKind", args[1], 0, DRIFT_KINDS - 1);
  list_of(&c, "b", args[2], 1, DLV_WIDTH_MAX, b, &b_planes);
  const uint32_t b_kind = number_of(&c, "bKind", args[3], 0, DRIFT_KINDS - 1);
  state.value = args[4];
  const uint32_t count = kind_planes(&c, "a", a, a_planes, a_kind, 0, UINT32_MAX);
  kind_planes(&c, "b", b, b_planes, b_kind, count, count);
  look(&c, NAME("state"), &state);
  check_length(&c, "state", &state, sizeof numbers);
  if (c.refused) return fail(&c);
  plane_places(a, a_planes, a_places);
  plane_places(b, b_planes, b_places);
  memcpy(numbers, state.bytes, sizeof numbers);
  dlv_drift((const uint8_t *const *)a_places, a_planes, a_kind, (const uint8_t *const *)b_places,
            b_planes, b_kind, count, numbers);
  memcpy(state.bytes, numbers, sizeof numbers);
  return NULL;
}

/* weigh(planes, kind, state, bins): numbers and bins as bytes */
static napi_value weigh(napi_env env, napi_callback_info info) {
  napi_value args[4];
  view planes[DLV_WIDTH_MAX], state, bins;
  uint8_t *places[DLV_WIDTH_MAX];
  uint32_t known = 0, counts[WEIGH_BINS];
  double numbers[WEIGH_FIELDS];
  call c = begin(env, info, 4, args);
  list_of(&c, "planes", args[0], 1, DLV_WIDTH_MAX, planes, &known);
  const uint32_t kind = number_of(&c, "kind", args[1], 0, DRIFT_KINDS - 1);
  state.value = args[2];
  bins.value = args[3];
  const uint32_t count = kind_planes(&c, "planes", planes, known, kind, 0, UINT32_MAX);
  look(&c, NAME("state"), &state);
  look(&c, NAME("bins"), &bins);
  check_length(&c, "state", &state, sizeof numbers);
  check_length(&c, "bins", &bins, sizeof counts);
  if (c.refused) return fail(&c);
  plane_places(planes, known, places);
  memcpy(numbers, state.bytes, sizeof numbers);
  memcpy(counts, bins.bytes, sizeof counts);
  dlv_weigh((const uint8_t *const *)places, known, kind, count, numbers, counts);
  memcpy(state.bytes, numbers, sizeof numbers);
  memcpy(bins.bytes, counts, sizeof counts);
  return NULL;
}

static napi_value isa(napi_env env, napi_callback_info info) {
  (void)info;
  call c = {env, 0, "", NULL};
  napi_value text;
  const napi_status status = napi_create_string_utf8(env, dlv_isa(), NAPI_AUTO_LENGTH, &text);
  return status == napi_ok ? text : fail(&c);
}

static napi_value force_portable(napi_env env, napi_callback_info info) {
  napi_value on;
  call c = begin(env, info, 1, &on);
  const int is_on = flag_of(&c, "on", on);
  if (c.refused) return fail(&c);
  dlv_force_portable(is_on);
  return NULL;
}

/* Environments (the main thread's, workers') that use this copy of the addon. */
static uint32_t environments;

/* The last one takes the memory that calls keep for each other with it: the addon may be unloaded. */
static void leave(void *data) {
  (void)data;
  if (__atomic_sub_fetch(&environments, 1, __ATOMIC_ACQ_REL) > 0) return;
  team_end();
  scratch_drain();
}

NAPI_MODULE_INIT() {
#if defined(__GLIBC__)
  /* Buffers of megabytes go back to the system when they are freed: kept in the heaps of the pool's
   * threads they made a third of the memory of a large commit. */
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  static const struct {
    const char *name;
    napi_callback callback;
  } FUNCTIONS[] = {
      {"allocate", allocate},
      {"keep", keep},
      {"encode", encode},
      {"decode", decode},
      {"decodeChain", decode_chain},
      {"sampleChain", sample_chain},
      {"verify", verify},
      {"checkRecords", check_records},
      {"sha256Many", sha256_many},
      {"sha256State", sha256_state_new},
      {"sha256Update", sha256_state_update},
      {"sha256Digest", sha256_state_digest},
      {"writePlanes", write_planes},
      {"readPlanes", read_planes},
      {"splitInto", split_into},
      {"merge", merge},
      {"cutChunk", cut_chunk},
      {"lz4BytesMin", lz4_min},
      {"sketchDistances", sketch_distances},
      {"drift", drift},
      {"weigh", weigh},
      {"compute", compute},
      {"isa", isa},
      {"forcePortable", force_portable},
      {"guardSignals", guard_signals},
      {"signalHeard", signal_heard},
  };
  call c = {env, 0, "", NULL};
  napi_value version;
  __atomic_add_fetch(&environments, 1, __ATOMIC_ACQ_REL);
  if (napi_add_env_cleanup_hook(env, leave, NULL) != napi_ok ||
      napi_create_uint32(env, INTERFACE_VERSION, &version) != napi_ok ||
      napi_set_named_property(env, exports, "interfaceVersion", version) != napi_ok) {
    return fail(&c);
  }
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
    napi_value function;
    if (napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].callback, NULL,
                             &function) != napi_ok ||
        napi_set_named_property(env, exports, FUNCTIONS[i].name, function) != napi_ok) {
      return fail(&c);
    }
  }
#ifdef DLV_FAULTS /* checks/faults.h, in the addon of the tests */
  faults_register(env, exports);
#endif
  return exports;
}
