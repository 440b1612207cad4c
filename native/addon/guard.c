/*
 * The handlers of libuv are kept and called first. Then an alarm is set, which `signalHeard` cancels;
 * if it rings, the process dies of the signal, as it would have without listeners. Everything that
 * runs in a handler is async-signal-safe. Windows has no such signals: there, nothing is guarded.
 */
#include "guard.h"

#include "arguments.h"

#define SECONDS_MAX 3600

static napi_value boolean(napi_env env, bool is) {
  napi_value answer;
  return napi_get_boolean(env, is, &answer) == napi_ok ? answer : NULL;
}

#if defined(_WIN32)

static void arm(unsigned seconds) { (void)seconds; }
static bool disarm(void) { return false; }

#else

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const int GUARDED[] = {SIGINT, SIGTERM, SIGHUP};
enum { GUARDED_COUNT = sizeof GUARDED / sizeof *GUARDED };

/* What stood there before, in the order of GUARDED. */
static struct sigaction before[GUARDED_COUNT];
static unsigned grace;
static volatile sig_atomic_t received;

static void on_alarm(int number) {
  static const char SAID[] = "\ndlv: interrupted; it did not answer and was ended\n";
  (void)number;
  const int by = received;
  if (by == 0) return;
  if (write(STDERR_FILENO, SAID, sizeof SAID - 1) < 0) { /* nobody listens */
  }
  signal(by, SIG_DFL);
  kill(getpid(), by);
}

static void on_signal(int number, siginfo_t *info, void *context) {
  const int saved = errno;
  for (int i = 0; i < GUARDED_COUNT; i++) {
    if (GUARDED[i] != number) continue;
    if (before[i].sa_flags & SA_SIGINFO) before[i].sa_sigaction(number, info, context);
    else before[i].sa_handler(number);
  }
  /* A second signal does not give it more time. */
  if (received == 0) {
    received = number;
    alarm(grace);
  }
  errno = saved;
}

/* Guards every signal that has a handler; one with its default action needs none. */
static void arm(unsigned seconds) {
  struct sigaction ring;
  memset(&ring, 0, sizeof ring);
  ring.sa_handler = on_alarm;
  ring.sa_flags = SA_RESTART;
  sigfillset(&ring.sa_mask);
  grace = seconds;
  if (sigaction(SIGALRM, &ring, NULL) != 0) return;
  for (int i = 0; i < GUARDED_COUNT; i++) {
    struct sigaction now;
    if (sigaction(GUARDED[i], NULL, &now) != 0) continue;
    if (now.sa_flags & SA_SIGINFO) {
      if (now.sa_sigaction == on_signal) continue;
    } else if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) {
      continue;
    }
    before[i] = now;
    now.sa_flags |= SA_SIGINFO;
    now.sa_sigaction = on_signal;
    sigaction(GUARDED[i], &now, NULL);
  }
}

static bool disarm(void) {
  const bool was = received != 0;
  alarm(0);
  received = 0;
  return was;
}

#endif

napi_value guard_signals(napi_env env, napi_callback_info info) {
  napi_value value;
  call c = begin(env, info, 1, &value);
  const uint32_t seconds = number_of(&c, "seconds", value, 1, SECONDS_MAX);
  if (c.refused) return throw_reason(&c);
  arm(seconds);
  return NULL;
}

napi_value signal_heard(napi_env env, napi_callback_info info) {
  (void)info;
  return boolean(env, disarm());
}
