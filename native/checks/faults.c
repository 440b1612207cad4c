/* Failures on demand, and how much memory is in use: see faults.h. */
#include "faults.h"

/* Here they are what they are. */
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef napi_create_reference
#undef napi_delete_reference
#undef napi_create_async_work
#undef napi_delete_async_work
#undef napi_create_array_with_length
#undef napi_get_cb_info
#undef napi_get_value_bool
#undef napi_set_element
#undef napi_set_named_property

/* Calls from now on until one fails; 0: none does. Then all later ones, or no other. */
static long calls_left;
static int is_forever;
static long blocks_in_use, handles_in_use;

int fault_now(void) {
  long left = __atomic_load_n(&calls_left, __ATOMIC_RELAXED);
  if (left <= 0) return left < 0;
  left = __atomic_sub_fetch(&calls_left, 1, __ATOMIC_RELAXED);
  if (left > 0) return 0;
  if (is_forever) __atomic_store_n(&calls_left, -1, __ATOMIC_RELAXED);
  return 1;
}

static void *counted(void *block) {
  if (block) __atomic_add_fetch(&blocks_in_use, 1, __ATOMIC_RELAXED);
  return block;
}

void *fault_malloc(size_t size) { return fault_now() ? NULL : counted(malloc(size)); }

void *fault_calloc(size_t count, size_t size) {
  return fault_now() ? NULL : counted(calloc(count, size));
}

void *fault_realloc(void *block, size_t size) {
  if (block == NULL) return fault_malloc(size);
  return fault_now() ? NULL : realloc(block, size);
}

void fault_free(void *block) {
  if (block) __atomic_sub_fetch(&blocks_in_use, 1, __ATOMIC_RELAXED);
  free(block);
}

static napi_status made(napi_status status) {
  if (status == napi_ok) handles_in_use++;
  return status;
}

static napi_status gone(napi_status status) {
  if (status == napi_ok) handles_in_use--;
  return status;
}

napi_status fault_create_reference(napi_env env, napi_value value, uint32_t count,
                                   napi_ref *reference) {
  if (fault_now()) return napi_generic_failure;
  return made(napi_create_reference(env, value, count, reference));
}

napi_status fault_delete_reference(napi_env env, napi_ref reference) {
  return gone(napi_delete_reference(env, reference));
}

napi_status fault_create_async_work(napi_env env, napi_value resource, napi_value name,
                                    napi_async_execute_callback execute,
                                    napi_async_complete_callback complete, void *data,
                                    napi_async_work *work) {
  if (fault_now()) return napi_generic_failure;
  return made(napi_create_async_work(env, resource, name, execute, complete, data, work));
}

napi_status fault_delete_async_work(napi_env env, napi_async_work work) {
  return gone(napi_delete_async_work(env, work));
}

/* failAt(n, forever): the n-th call from now on fails, 0: none. */
static napi_value fail_at(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value args[2];
  int64_t n = 0;
  bool forever = false;
  napi_get_cb_info(env, info, &argc, args, NULL, NULL);
  napi_get_value_int64(env, args[0], &n);
  napi_get_value_bool(env, args[1], &forever);
  is_forever = forever;
  __atomic_store_n(&calls_left, (long)n, __ATOMIC_RELAXED);
  return NULL;
}

/* faultState() → [calls left until one fails, −1 after that; blocks and handles in use] */
static napi_value fault_state(napi_env env, napi_callback_info info) {
  napi_value state, number;
  const long numbers[] = {calls_left, __atomic_load_n(&blocks_in_use, __ATOMIC_RELAXED),
                          handles_in_use};
  (void)info;
  napi_create_array_with_length(env, 3, &state);
  for (uint32_t i = 0; i < 3; i++) {
    napi_create_int64(env, numbers[i], &number);
    napi_set_element(env, state, i, number);
  }
  return state;
}

void faults_register(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "failAt", NAPI_AUTO_LENGTH, fail_at, NULL, &function);
  napi_set_named_property(env, exports, "failAt", function);
  napi_create_function(env, "faultState", NAPI_AUTO_LENGTH, fault_state, NULL, &function);
  napi_set_named_property(env, exports, "faultState", function);
}
