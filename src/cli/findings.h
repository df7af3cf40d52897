// What `doctor` finds: verdicts in words, gathered from ranks so that what all say is said once.
#ifndef CNN_CLI_FINDINGS_H
#define CNN_CLI_FINDINGS_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>

enum cnn_verdict { CNN_VERDICT_NONE, CNN_VERDICT_OK, CNN_VERDICT_WARN, CNN_VERDICT_FAIL, CNN_N_VERDICTS };
const char *cnn_verdict_name(enum cnn_verdict verdict); // "ok", "warn", "fail"

// Travels between ranks as it is: no pointers. Zeroed: none.
struct cnn_finding {
    enum cnn_verdict verdict;
    char text[512];   // what was found
    char advice[256]; // what to do; "" where all is well
};

#define CNN_MAX_FINDINGS 48
struct cnn_findings {
    struct cnn_finding items[CNN_MAX_FINDINGS];
    int n;
};

void cnn_found_ok(struct cnn_findings *list, const char *format, ...) CNN_PRINTF(2, 3);
void cnn_found_warn(struct cnn_findings *list, const char *advice, const char *format, ...) CNN_PRINTF(3, 4);
void cnn_found_fail(struct cnn_findings *list, const char *advice, const char *format, ...) CNN_PRINTF(3, 4);

// `all`: `each` findings of each of `ranks` ranks, one rank after the other, unused ones zeroed. Takes the
// next out, together with those of other ranks that say the same: has[r] tells whether rank r was among them.
// The order is that of the findings within a rank. False: nothing is left.
bool cnn_findings_take(struct cnn_finding *out, bool *has, struct cnn_finding *all, int ranks, int each);

// "rank 3", "ranks 0-2, 5".
void cnn_ranks_format(char *out, size_t out_bytes, const bool *has, int ranks);

// One line, without its end: "[warn] ranks 0-2: what was found; what to do". `who` "": everybody.
void cnn_finding_format(char *out, size_t out_bytes, const char *who, const struct cnn_finding *finding);

#endif
