/* Calls that are carried out on libuv's pool: each answers a promise. */
#ifndef DLV_JOBS_H
#define DLV_JOBS_H

#include <node_api.h>

/* encode(planes, base | null, level, noPrefix, abort?, room?) → { head, hi, mid, low, usesBase } */
napi_value encode(napi_env env, napi_callback_info info);
/* decode(head, [hi, mid, low], base | null, count, width, wanted, out?, abort?) → planes */
napi_value decode(napi_env env, napi_callback_info info);
/* sha256Many(prefix, parts of equal length) → 32 bytes for each part */
napi_value sha256_many(napi_env env, napi_callback_info info);

#endif
