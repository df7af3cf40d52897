#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

double cnn_clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cnn_clock_sleep(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

void cnn_clock_iso8601(char out[32]) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void cnn_clock_iso8601_ms(char out[32]) {
    struct timespec now;
    struct tm utc;
    char second[24];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 32, "%s.%03dZ", second, (int)(now.tv_nsec / 1000000));
}

void cnn_format_duration(char *out, size_t out_bytes, double seconds) {
    if (!isfinite(seconds) || seconds >= 1e15) {
        snprintf(out, out_bytes, "?");
        return;
    }
    const char *sign = seconds < 0 ? "-" : "";
    seconds = fabs(seconds);
    if (seconds < 59.95) {
        snprintf(out, out_bytes, "%s%.1f s", sign, seconds);
        return;
    }
    long long total = llround(seconds);
    long long hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
    if (hours > 0)
        snprintf(out, out_bytes, "%s%lld:%02lld:%02lld", sign, hours, minutes, rest);
    else
        snprintf(out, out_bytes, "%s%lld:%02lld", sign, minutes, rest);
}

void cnn_format_bytes(char *out, size_t out_bytes, double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    // 1023.995 would print as 1024.00: it belongs to the next unit.
    while (fabs(bytes) >= (unit ? 1023.995 : 1024) && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, out_bytes, "%.*f %s", unit ? 2 : 0, bytes, units[unit]);
}
