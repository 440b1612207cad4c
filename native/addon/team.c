#include "team.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "arguments.h"
#include "compute.h"
#include "kernel.h"

/* How often a thread that waits looks before it sleeps: some microseconds. */
#define LOOKS 2000

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake, idle;
  pthread_t threads[TEAM_THREADS_MAX];
  float *scratch[TEAM_THREADS_MAX + 1];
  uint32_t started;
  int ends;
  /* One operation at a time; `round` counts them. */
  uint32_t round;
  uint32_t wanted; /* threads that may join it */
  uint32_t joined, left;
  uint32_t next, count;
  compute_task *task;
  const void *work;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .idle = PTHREAD_COND_INITIALIZER};

/* Only one environment computes at a time with the team; another one works alone meanwhile. */
static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;

static uint32_t load(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

static void take_tasks(float *scratch) {
  compute_task *const task = team.task;
  const void *const work = team.work;
  const uint32_t count = team.count;
  for (;;) {
    const uint32_t index = __atomic_fetch_add(&team.next, 1, __ATOMIC_ACQ_REL);
    if (index >= count) return;
    task(work, index, scratch);
  }
}

static void *member(void *data) {
  float *scratch = data;
  uint32_t seen = 0;
  for (;;) {
    for (int look = 0; look < LOOKS && load(&team.round) == seen; look++) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    pthread_mutex_lock(&team.lock);
    while (team.round == seen && !team.ends) pthread_cond_wait(&team.wake, &team.lock);
    if (team.ends) break;
    seen = team.round;
    const int joins = team.joined < team.wanted;
    if (joins) team.joined++;
    pthread_mutex_unlock(&team.lock);
    if (!joins) continue;
    take_tasks(scratch);
    pthread_mutex_lock(&team.lock);
    team.left++;
    if (team.left == team.joined) pthread_cond_signal(&team.idle);
    pthread_mutex_unlock(&team.lock);
  }
  pthread_mutex_unlock(&team.lock);
  return NULL;
}

static float *scratch_of(uint32_t which) {
  if (team.scratch[which] == NULL) {
    team.scratch[which] = malloc(COMPUTE_SCRATCH_FLOATS * sizeof(float));
  }
  return team.scratch[which];
}

/* Starts threads until there are `wanted`; fewer where the system gives no more. */
static void start(uint32_t wanted) {
  while (team.started < wanted) {
    float *scratch = scratch_of(team.started + 1);
    if (scratch == NULL) return;
    if (pthread_create(&team.threads[team.started], NULL, member, scratch) != 0) return;
    team.started++;
  }
}

static void alone(void *state, uint32_t count, compute_task *task, const void *work) {
  for (uint32_t index = 0; index < count; index++) task(work, index, state);
}

static void together(void *state, uint32_t count, compute_task *task, const void *work) {
  const uint32_t *helpers = state;
  if (count == 1) {
    task(work, 0, team.scratch[0]);
    return;
  }
  pthread_mutex_lock(&team.lock);
  team.task = task;
  team.work = work;
  team.count = count;
  team.next = 0;
  team.joined = team.left = 0;
  team.wanted = count - 1 < *helpers ? count - 1 : *helpers;
  __atomic_store_n(&team.round, team.round + 1, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&team.wake);
  pthread_mutex_unlock(&team.lock);
  take_tasks(team.scratch[0]);
  pthread_mutex_lock(&team.lock);
  /* Whoever comes now finds nothing left. */
  team.wanted = 0;
  while (team.left < team.joined) pthread_cond_wait(&team.idle, &team.lock);
  pthread_mutex_unlock(&team.lock);
}

void team_end(void) {
  pthread_mutex_lock(&team.lock);
  team.ends = 1;
  pthread_cond_broadcast(&team.wake);
  pthread_mutex_unlock(&team.lock);
  for (uint32_t i = 0; i < team.started; i++) pthread_join(team.threads[i], NULL);
  for (uint32_t i = 0; i <= TEAM_THREADS_MAX; i++) {
    free(team.scratch[i]);
    team.scratch[i] = NULL;
  }
  team.started = 0;
  team.ends = 0;
  team.round = 0;
}

static int run(const view *arena, const view *program, uint32_t threads) {
  const size_t floats = arena->length / sizeof(float), words = program->length / sizeof(int32_t);
  const int32_t *list = (const int32_t *)program->bytes;
  float *memory = (float *)arena->bytes;
  if (threads > 1 && pthread_mutex_trylock(&in_use) == 0) {
    int result = DLV_ERR_MEMORY;
    if (scratch_of(0) != NULL) {
      start(threads - 1);
      uint32_t helpers = threads - 1 < team.started ? threads - 1 : team.started;
      const compute_team all = {together, &helpers};
      result = dlv_compute(memory, floats, list, words, &all);
    }
    pthread_mutex_unlock(&in_use);
    return result;
  }
  float *scratch = malloc(COMPUTE_SCRATCH_FLOATS * sizeof(float));
  if (scratch == NULL) return DLV_ERR_MEMORY;
  const compute_team one = {alone, scratch};
  const int result = dlv_compute(memory, floats, list, words, &one);
  free(scratch);
  return result;
}

static void check_words(call *c, const char *of, const view *v) {
  if (!c->refused && (v->length % 4 != 0 || (uintptr_t)v->bytes % 4 != 0)) {
    refuse(c, NAME(of), "is not a list of 32-bit words");
  }
}

napi_value compute(napi_env env, napi_callback_info info) {
  napi_value args[3];
  view arena, program;
  call c = begin(env, info, 3, args);
  arena.value = args[0];
  program.value = args[1];
  const uint32_t threads = number_of(&c, "threads", args[2], 1, TEAM_THREADS_MAX);
  look(&c, NAME("arena"), &arena);
  look(&c, NAME("program"), &program);
  check_words(&c, "arena", &arena);
  check_words(&c, "program", &program);
  if (c.refused) return throw_reason(&c);
  const int result = run(&arena, &program, threads);
  if (result == DLV_OK) return NULL;
  const int is_memory = result == DLV_ERR_MEMORY;
  napi_throw(env, error_of(env, result,
                           is_memory ? "memory is short"
                                     : "'program' has an operation that does not fit the arena"));
  return NULL;
}
