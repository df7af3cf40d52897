#include "cli/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static const struct {
    int number;
    const char *reason;
} stops[] = {
    {SIGTERM, "received SIGTERM"},
    {SIGINT, "received SIGINT"},
    {SIGUSR1, "received SIGUSR1"},
    {SIGHUP, "received SIGHUP"},
};
#define N_STOPS (sizeof stops / sizeof *stops)

static volatile sig_atomic_t received, interrupts; // received: a signal's number, or 0

static void on_signal(int number) {
    if (number == SIGINT && ++interrupts > 1)
        _exit(128 + SIGINT);
    received = number;
}

static bool is_ignored(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void cnn_signals_install(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_STOPS; i++)
        if (stops[i].number != SIGHUP || !is_ignored(SIGHUP))
            sigaction(stops[i].number, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

const char *cnn_signals_stop_requested(void *unused) {
    (void)unused;
    for (size_t i = 0; i < N_STOPS; i++)
        if (stops[i].number == received)
            return stops[i].reason;
    return NULL;
}
