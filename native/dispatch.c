#include "dispatch.h"

#include "kernel.h"

static int portable_only;

void dlv_force_portable(int on) { portable_only = on; }

#ifdef DLV_X86
int dlv_has_avx2(void) {
  return !portable_only && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

const char *dlv_isa(void) { return dlv_has_avx2() ? "avx2" : "portable"; }
#else
const char *dlv_isa(void) { return "portable"; }
#endif
