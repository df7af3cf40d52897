// Time.
#ifndef CNN_BASE_CLOCK_H
#define CNN_BASE_CLOCK_H
#include <stddef.h>

double cnn_clock_s(void);                // monotonic seconds
void cnn_clock_sleep(double seconds);    // at least so long, also when signals come
void cnn_clock_iso8601(char out[32]);    // now in UTC, "2026-01-31T12:00:00Z"
void cnn_clock_iso8601_ms(char out[32]); // "2026-01-31T12:00:00.123Z"
void cnn_format_duration(char *out, size_t out_bytes, double seconds); // "1:02:03", "4:05", "12.3 s"
void cnn_format_bytes(char *out, size_t out_bytes, double bytes);      // "1.50 GiB"

#endif
