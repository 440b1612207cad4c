#include "jobs.h"

#include "job.h"
#include "segment.h"

static void keep_room(call *c, job *j, const view *room) {
  if (room->length < (size_t)j->count * j->width || !job_holds(j, room)) return;
  j->room = room->bytes;
  dlv_encoded_lend(&j->encoded, j->room, j->count, j->width);
  if (j->result == DLV_OK) j->result = job_keep(c->env, room->value, &j->room_ref);
}

/* Where a plane stays where it is, it may be a payload. */
static void share_plane(call *c, job *j, uint32_t k, const view *plane) {
  const uint32_t class = plane_class(j->width, k);
  dlv_encoded_share(&j->encoded, plane->bytes, k, j->width);
  if (j->encoded.shared[class] == NULL || j->result != DLV_OK) return;
  j->result = job_keep(c->env, plane->value, &j->shared_refs[class]);
}

napi_value encode(napi_env env, napi_callback_info info) {
  napi_value args[7];
  view planes[DLV_WIDTH_MAX], base[DLV_WIDTH_MAX], room;
  uint32_t width = 0, base_width = 0;
  call c = begin(env, info, 7, args);
  job *j = job_new(ENCODE);
  if (c.refused || j == NULL) return job_start(&c, j);
  j->has_base = !is_null(env, args[1]);
  list_of(&c, "planes", args[0], 1, DLV_WIDTH_MAX, planes, &width);
  if (j->has_base) list_of(&c, "base", args[1], width, width, base, &base_width);
  j->level = (int)number_of(&c, "level", args[2], DLV_LEVEL_FAST, DLV_LEVEL_MAX);
  j->no_prefix = flag_of(&c, "noPrefix", args[3]);
  j->width = width;
  j->count = planes_of(&c, "planes", planes, width, 1, DLV_SEGMENT_ELEMENTS);
  planes_of(&c, "base", base, base_width, j->count, j->count);
  job_keeps_abort(&c, j, args[4]);
  const int has_room = !is_undefined(env, args[5]);
  if (has_room) {
    room.value = args[5];
    look(&c, NAME("room"), &room);
    apart(&c, "room", &room, 1, "planes", planes, width);
    apart(&c, "room", &room, 1, "base", base, base_width);
  }
  const int shares = !is_undefined(env, args[6]) && flag_of(&c, "shares", args[6]);
  if (c.refused) return job_start(&c, j);
  for (uint32_t k = 0; k < width; k++) {
    const uint32_t held = j->held_count;
    job_reads(j, &planes[k], &j->planes[k]);
    if (shares && j->held_count > held) share_plane(&c, j, k, &planes[k]);
    if (j->has_base) job_reads(j, &base[k], &j->base[k]);
  }
  if (has_room) keep_room(&c, j, &room);
  return job_start(&c, j);
}

napi_value decode(napi_env env, napi_callback_info info) {
  napi_value args[8];
  view head, classes[3], base[DLV_WIDTH_MAX], out[DLV_WIDTH_MAX];
  uint32_t class_count = 0, base_width = 0, out_width = 0;
  call c = begin(env, info, 8, args);
  job *j = job_new(DECODE);
  if (c.refused || j == NULL) return job_start(&c, j);
  j->has_base = !is_null(env, args[2]);
  const int has_out = !is_undefined(env, args[6]);
  j->count = number_of(&c, "count", args[3], 1, DLV_SEGMENT_ELEMENTS);
  j->width = number_of(&c, "width", args[4], 1, DLV_WIDTH_MAX);
  j->wanted = number_of(&c, "wanted", args[5], 1, j->width);
  list_of(&c, "classes", args[1], 3, 3, classes, &class_count);
  if (j->has_base) list_of(&c, "base", args[2], 1, DLV_WIDTH_MAX, base, &base_width);
  if (has_out) list_of(&c, "out", args[6], j->wanted, j->wanted, out, &out_width);
  head.value = args[0];
  look(&c, NAME("head"), &head);
  for (uint32_t k = 0; k < class_count; k++) look(&c, (name){"classes", (int)k}, &classes[k]);
  planes_of(&c, "base", base, base_width, j->count, j->count);
  planes_of(&c, "out", out, out_width, j->count, j->count);
  apart(&c, "out", out, out_width, "head", &head, 1);
  apart(&c, "out", out, out_width, "classes", classes, class_count);
  apart(&c, "out", out, out_width, "base", base, base_width);
  job_keeps_abort(&c, j, args[7]);
  if (c.refused) return job_start(&c, j);
  job_reads_coded(j, &head, classes);
  /* More planes of a base than those that are wanted are not looked at. */
  j->base_width = base_width < j->wanted ? base_width : j->wanted;
  job_decodes(env, j, base, has_out ? out : NULL);
  return job_start(&c, j);
}

napi_value sha256_many(napi_env env, napi_callback_info info) {
  napi_value args[2];
  view prefix, parts[DLV_WIDTH_MAX];
  uint32_t count = 0;
  call c = begin(env, info, 2, args);
  job *j = job_new(HASH);
  if (c.refused || j == NULL) return job_start(&c, j);
  list_of(&c, "parts", args[1], 1, DLV_WIDTH_MAX, parts, &count);
  prefix.value = args[0];
  look(&c, NAME("prefix"), &prefix);
  if (!c.refused && prefix.length > SHA256_PREFIX_MAX) {
    refuse(&c, NAME("prefix"), "has %zu bytes, more than %d", prefix.length, SHA256_PREFIX_MAX);
  }
  j->count = planes_of(&c, "parts", parts, count, 0, DLV_SEGMENT_ELEMENTS);
  j->width = count;
  if (c.refused) return job_start(&c, j);
  job_copies(j, &prefix, &j->prefix);
  j->prefix_length = prefix.length;
  for (uint32_t k = 0; k < count; k++) job_reads(j, &parts[k], &j->planes[k]);
  return job_start(&c, j);
}
