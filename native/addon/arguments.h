/*
 * Arguments of a call from JavaScript, none of which is trusted.
 *
 * First `list_of` reads the elements of arrays, which may run JavaScript: getters, setters, holes that
 * are filled by a prototype. Then `look` and `planes_of` say where bytes are. No JavaScript runs from
 * there until the call returns, so what they say holds that long and no longer.
 *
 * The first thing that is wrong is kept; all later checks of the call do nothing then.
 */
#ifndef DLV_ARGUMENTS_H
#define DLV_ARGUMENTS_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

#define PROBLEM_BYTES 160

typedef struct {
  napi_env env;
  int refused;
  char problem[PROBLEM_BYTES]; /* why; */
  napi_value thrown;           /* or what JavaScript threw meanwhile */
} call;

/* A Uint8Array and where its bytes are. */
typedef struct {
  napi_value value;
  uint8_t *bytes;
  size_t length;
} view;

/* Name of an argument in messages: 'base', or with an index ≥ 0 'base[1]'. */
typedef struct {
  const char *text;
  int index;
} name;

#define NAME(text) ((name){text, -1})

/* Begins a call: reads its arguments, those that are missing as undefined. */
call begin(napi_env env, napi_callback_info info, size_t argc, napi_value *args);
/* Refuses the call, unless it was refused before. */
void refuse(call *c, name of, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reads an array of least … most elements. */
void list_of(call *c, const char *of, napi_value value, uint32_t least, uint32_t most, view *views,
             uint32_t *count);
/* A whole number from least to most. */
uint32_t number_of(call *c, const char *of, napi_value value, uint32_t least, uint32_t most);
int flag_of(call *c, const char *of, napi_value value);

int is_null(napi_env env, napi_value value);
int is_undefined(napi_env env, napi_value value);

/* Where the bytes of a Uint8Array are. */
void look(call *c, name of, view *v);
/* The same for planes of `least` … `most` bytes that are equally long; returns how long. */
uint32_t planes_of(call *c, const char *of, view *views, uint32_t planes, uint32_t least,
                   uint32_t most);
/* Checks that nothing of `views`, which is written to, is part of `others` or twice in `views`. */
void apart(call *c, const char *of, const view *views, uint32_t count, const char *other,
           const view *others, uint32_t other_count);
/* The number that stops a job. Memory of a SharedArrayBuffer cannot be taken away. */
const volatile int32_t *abort_of(call *c, napi_value value);

/* An Error with a message and, as `kernel`, a number of kernel.h; undefined if it cannot be made. */
napi_value error_of(napi_env env, int code, const char *message);
/* Why the call is refused: an Error, or what JavaScript threw. */
napi_value reason_of(call *c);
/* Throws it, and returns NULL. */
napi_value throw_reason(call *c);

#endif
