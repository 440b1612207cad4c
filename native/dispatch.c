#include "dispatch.h"

#include "kernel.h"

static int portable_only;
static int without_avx512;

void dlv_force_portable(int on) { __atomic_store_n(&portable_only, on, __ATOMIC_RELAXED); }
void dlv_forbid_avx512(int on) { __atomic_store_n(&without_avx512, on, __ATOMIC_RELAXED); }

#ifdef DLV_X86
/* Threads of the pool ask while JavaScript sets it. */
static int is_on(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }

int dlv_simd_allowed(void) { return !is_on(&portable_only); }

int dlv_has_avx2(void) {
  return !is_on(&portable_only) && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("popcnt");
}

int dlv_has_avx512(void) {
  return !is_on(&portable_only) && !is_on(&without_avx512) && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2");
}

const char *dlv_isa(void) {
  return dlv_has_avx512() ? "avx512" : dlv_has_avx2() ? "avx2" : "portable";
}
#else
const char *dlv_isa(void) { return "portable"; }
#endif
