/*
 * Threads that share the tasks of one call: the caller works with them, and goes on when all are done. They are
 * not those of libuv's pool, in which an operation of some microseconds would wait behind other jobs.
 */
#ifndef DLV_TEAM_H
#define DLV_TEAM_H

#include <node_api.h>

#define TEAM_THREADS_MAX 64u

/* compute(arena, program, threads): carries out a program of compute.h on the caller's thread and others */
napi_value compute(napi_env env, napi_callback_info info);
/* Ends the threads, before the addon may be unloaded. */
void team_end(void);

#endif
