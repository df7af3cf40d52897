#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requested, interrupts;

static void on_signal(int number) {
    if (number == SIGINT && ++interrupts > 1)
        _exit(128 + SIGINT);
    stop_requested = 1;
}

void cnn_signals_install(void) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

bool cnn_signals_stop_requested(void *unused) { return stop_requested != 0; }
