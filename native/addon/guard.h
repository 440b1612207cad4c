/*
 * Ends a process whose JavaScript does not answer a signal.
 *
 * A listener of JavaScript replaces the default action of SIGINT, SIGTERM and SIGHUP, and runs only
 * when the event loop turns: in a loop that never yields, the process could not be ended by them.
 */
#ifndef DLV_GUARD_H
#define DLV_GUARD_H

#include <node_api.h>

/* guardSignals(seconds): call it after the listeners are there. */
napi_value guard_signals(napi_env env, napi_callback_info info);
/* signalHeard() → true if a signal was waiting to be heard. */
napi_value signal_heard(napi_env env, napi_callback_info info);

#endif
