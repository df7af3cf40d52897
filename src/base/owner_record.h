// What an owner file says: who owns the folder and when it last gave a sign of life. Private to owner.c.
#ifndef CNN_BASE_OWNER_RECORD_H
#define CNN_BASE_OWNER_RECORD_H
#include <stdbool.h>
#include <stddef.h>

#define CNN_OWNER_TEXT_BYTES 1024
#define CNN_OWNER_TOKEN_BYTES 24

struct cnn_owner_record {
    unsigned long long read_from;      // inode number of the file that was read; not part of the text
    char token[CNN_OWNER_TOKEN_BYTES]; // drawn for each ownership, so no two are alike
    char host[128], job[64];           // job: of the scheduler, "" where there is none
    char boot[64];           // the running kernel's; with `pids` it tells where a process number counts
    unsigned long long pids; // the namespace of process numbers
    long long process;
    unsigned long long
        started; // of the process, in clock ticks since the machine started; numbers are used again
    unsigned long long
        file;      // the owner file's own inode number: a copy of it has another; 0: not yet written
    double beat_s; // seconds between heartbeats
    unsigned long long beat;
    char time[32]; // of the last heartbeat, by the owner's clock
};

// This process, with a new token and no heartbeat yet.
void cnn_owner_record_init(struct cnn_owner_record *out, double beat_s);
// Sets `time` to now. The text of a record has the same length whatever `beat` and `time` are.
void cnn_owner_record_touch(struct cnn_owner_record *record);
size_t cnn_owner_record_format(char out[CNN_OWNER_TEXT_BYTES], const struct cnn_owner_record *record);
// Reads the file at `path`. *out_found is false where there is none. A file that is not whole, or no owner
// file, gets a token made from its bytes and the name of an unknown process. Returns 0 or errno, and sets no
// message.
int cnn_owner_record_read(struct cnn_owner_record *out, bool *out_found, const char *path);
// What this machine knows of the process, without waiting. UNKNOWN: it runs on another one, or is suspended,
// or the file that was read is a copy of its owner file.
enum cnn_owner_life { CNN_OWNER_UNKNOWN, CNN_OWNER_RUNS, CNN_OWNER_GONE };
enum cnn_owner_life cnn_owner_record_life(const struct cnn_owner_record *record);
// "process 4711 on node12 (job 991), last sign of life 2026-01-31T12:00:00Z"
void cnn_owner_record_describe(char *out, size_t out_bytes, const struct cnn_owner_record *record);

#endif
