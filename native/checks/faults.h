/*
 * Included in front of every file of the addon that is built for tests (build.mjs, `faults`): each
 * call of N-API or of the allocator that may fail can be made to fail, and memory is counted.
 */
#ifndef DLV_FAULTS_H
#define DLV_FAULTS_H

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <node_api.h>
#include <stdlib.h>

/* 1 if the call that asks has to fail. */
int fault_now(void);
void *fault_malloc(size_t size);
void *fault_calloc(size_t count, size_t size);
void *fault_realloc(void *block, size_t size);
void fault_free(void *block);
/* References and work that were made, counted like memory. */
napi_status fault_create_reference(napi_env env, napi_value value, uint32_t count,
                                   napi_ref *reference);
napi_status fault_delete_reference(napi_env env, napi_ref reference);
napi_status fault_create_async_work(napi_env env, napi_value resource, napi_value name,
                                    napi_async_execute_callback execute,
                                    napi_async_complete_callback complete, void *data,
                                    napi_async_work *work);
napi_status fault_delete_async_work(napi_env env, napi_async_work work);
/* Exports failAt(n, forever) and faultState(). */
void faults_register(napi_env env, napi_value exports);

#define DLV_FAULTS 1
#define malloc fault_malloc
#define calloc fault_calloc
#define realloc fault_realloc
#define free fault_free
#define napi_create_reference fault_create_reference
#define napi_delete_reference fault_delete_reference
#define napi_create_async_work fault_create_async_work
#define napi_delete_async_work fault_delete_async_work

#define FAULT(call) (fault_now() ? napi_generic_failure : call)
#define napi_create_array_with_length(...) FAULT(napi_create_array_with_length(__VA_ARGS__))
#define napi_create_arraybuffer(...) FAULT(napi_create_arraybuffer(__VA_ARGS__))
#define napi_create_error(...) FAULT(napi_create_error(__VA_ARGS__))
#define napi_create_external_arraybuffer(...) FAULT(napi_create_external_arraybuffer(__VA_ARGS__))
#define napi_create_int32(...) FAULT(napi_create_int32(__VA_ARGS__))
#define napi_create_object(...) FAULT(napi_create_object(__VA_ARGS__))
#define napi_create_promise(...) FAULT(napi_create_promise(__VA_ARGS__))
#define napi_create_string_utf8(...) FAULT(napi_create_string_utf8(__VA_ARGS__))
#define napi_create_typedarray(...) FAULT(napi_create_typedarray(__VA_ARGS__))
#define napi_create_uint32(...) FAULT(napi_create_uint32(__VA_ARGS__))
#define napi_get_array_length(...) FAULT(napi_get_array_length(__VA_ARGS__))
#define napi_get_boolean(...) FAULT(napi_get_boolean(__VA_ARGS__))
#define napi_get_cb_info(...) FAULT(napi_get_cb_info(__VA_ARGS__))
#define napi_get_element(...) FAULT(napi_get_element(__VA_ARGS__))
#define napi_get_reference_value(...) FAULT(napi_get_reference_value(__VA_ARGS__))
#define napi_get_typedarray_info(...) FAULT(napi_get_typedarray_info(__VA_ARGS__))
#define napi_get_value_bool(...) FAULT(napi_get_value_bool(__VA_ARGS__))
#define napi_get_value_double(...) FAULT(napi_get_value_double(__VA_ARGS__))
#define napi_is_array(...) FAULT(napi_is_array(__VA_ARGS__))
#define napi_is_arraybuffer(...) FAULT(napi_is_arraybuffer(__VA_ARGS__))
#define napi_is_typedarray(...) FAULT(napi_is_typedarray(__VA_ARGS__))
#define napi_queue_async_work(...) FAULT(napi_queue_async_work(__VA_ARGS__))
#define napi_set_element(...) FAULT(napi_set_element(__VA_ARGS__))
#define napi_set_named_property(...) FAULT(napi_set_named_property(__VA_ARGS__))
#define napi_typeof(...) FAULT(napi_typeof(__VA_ARGS__))

#endif
