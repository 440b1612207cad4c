#include "arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel.h"

void refuse(call *c, name of, const char *format, ...) {
  va_list values;
  if (c->refused) return;
  c->refused = 1;
  const int used = of.index < 0
                       ? snprintf(c->problem, PROBLEM_BYTES, "'%s' ", of.text)
                       : snprintf(c->problem, PROBLEM_BYTES, "'%s[%d]' ", of.text, of.index);
  va_start(values, format);
  vsnprintf(c->problem + used, PROBLEM_BYTES - (size_t)used, format, values);
  va_end(values);
}

call begin(napi_env env, napi_callback_info info, size_t argc, napi_value *args) {
  call c = {env, 0, "", NULL};
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok) {
    refuse(&c, NAME("arguments"), "cannot be read");
  }
  return c;
}

/* Refuses the call with what a getter threw. */
static void refuse_thrown(call *c) {
  bool is_pending = false;
  napi_is_exception_pending(c->env, &is_pending);
  if (is_pending) napi_get_and_clear_last_exception(c->env, &c->thrown);
  refuse(c, NAME("arguments"), "cannot be read");
}

void list_of(call *c, const char *of, napi_value value, uint32_t least, uint32_t most, view *views,
             uint32_t *count) {
  bool is_array = false;
  uint32_t length = 0;
  if (c->refused) return;
  if (napi_is_array(c->env, value, &is_array) != napi_ok || !is_array ||
      napi_get_array_length(c->env, value, &length) != napi_ok || length < least || length > most) {
    if (least == most) refuse(c, NAME(of), "is not an array of %u Uint8Arrays", most);
    else refuse(c, NAME(of), "is not an array of %u to %u Uint8Arrays", least, most);
    return;
  }
  for (uint32_t k = 0; k < length; k++) {
    if (napi_get_element(c->env, value, k, &views[k].value) != napi_ok) {
      refuse_thrown(c);
      return;
    }
  }
  *count = length;
}

uint32_t number_of(call *c, const char *of, napi_value value, uint32_t least, uint32_t most) {
  double number;
  if (c->refused) return 0;
  if (napi_get_value_double(c->env, value, &number) != napi_ok || !(number >= least) ||
      !(number <= most) || (double)(uint32_t)number != number) {
    refuse(c, NAME(of), "is not a whole number from %u to %u", least, most);
    return 0;
  }
  return (uint32_t)number;
}

int flag_of(call *c, const char *of, napi_value value) {
  bool flag = false;
  if (c->refused) return 0;
  if (napi_get_value_bool(c->env, value, &flag) != napi_ok) refuse(c, NAME(of), "is not a boolean");
  return flag;
}

static int is(napi_env env, napi_value value, napi_valuetype type) {
  napi_valuetype found;
  return napi_typeof(env, value, &found) == napi_ok && found == type;
}

int is_null(napi_env env, napi_value value) { return is(env, value, napi_null); }

int is_undefined(napi_env env, napi_value value) { return is(env, value, napi_undefined); }

/* Reads a typed array; 0 if it is another kind of value. */
static int typed_array(napi_env env, napi_value value, napi_typedarray_type type, void **data,
                       size_t *length, napi_value *buffer) {
  napi_typedarray_type found;
  bool is_typed = false;
  return napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed &&
         napi_get_typedarray_info(env, value, &found, length, data, buffer, NULL) == napi_ok &&
         found == type;
}

void look(call *c, name of, view *v) {
  void *data = NULL;
  if (c->refused) return;
  if (!typed_array(c->env, v->value, napi_uint8_array, &data, &v->length, NULL)) {
    refuse(c, of, "is not a Uint8Array");
    return;
  }
  v->bytes = data;
}

uint32_t planes_of(call *c, const char *of, view *views, uint32_t planes, uint32_t least,
                   uint32_t most) {
  for (uint32_t k = 0; k < planes && !c->refused; k++) {
    const name plane = {of, (int)k};
    look(c, plane, &views[k]);
    if (c->refused) break;
    const size_t length = views[k].length;
    if (length >= least && length <= most) {
      least = most = (uint32_t)length;
    } else if (least == most) {
      refuse(c, plane, "has %zu bytes, not %u", length, most);
    } else {
      refuse(c, plane, "has %zu bytes, not %u to %u", length, least, most);
    }
  }
  return most;
}

static int overlap(const view *a, const view *b) {
  const uintptr_t x = (uintptr_t)a->bytes, y = (uintptr_t)b->bytes;
  return a->length > 0 && b->length > 0 && x < y + b->length && y < x + a->length;
}

void apart(call *c, const char *of, const view *views, uint32_t count, const char *other,
           const view *others, uint32_t other_count) {
  for (uint32_t k = 0; k < count && !c->refused; k++) {
    const name this = {of, count > 1 ? (int)k : -1};
    for (uint32_t i = 0; i < k; i++) {
      if (overlap(&views[k], &views[i])) refuse(c, this, "overlaps '%s[%u]'", of, i);
    }
    for (uint32_t i = 0; i < other_count; i++) {
      if (overlap(&views[k], &others[i])) refuse(c, this, "overlaps '%s'", other);
    }
  }
}

const volatile int32_t *abort_of(call *c, napi_value value) {
  void *data = NULL;
  size_t length = 0;
  napi_value buffer;
  bool can_be_detached = true;
  if (c->refused || is_undefined(c->env, value)) return NULL;
  if (!typed_array(c->env, value, napi_int32_array, &data, &length, &buffer) || length != 1 ||
      napi_is_arraybuffer(c->env, buffer, &can_be_detached) != napi_ok || can_be_detached) {
    refuse(c, NAME("abort"), "is not an Int32Array of one number in a SharedArrayBuffer");
    return NULL;
  }
  return data;
}

napi_value error_of(napi_env env, int code, const char *message) {
  napi_value text, number, error;
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) != napi_ok ||
      napi_create_error(env, NULL, text, &error) != napi_ok ||
      napi_create_int32(env, code, &number) != napi_ok ||
      napi_set_named_property(env, error, "kernel", number) != napi_ok) {
    napi_get_undefined(env, &error);
  }
  return error;
}

napi_value reason_of(call *c) {
  return c->thrown ? c->thrown : error_of(c->env, DLV_ERR_ARGUMENT, c->problem);
}

napi_value throw_reason(call *c) {
  napi_throw(c->env, reason_of(c));
  return NULL;
}
