// The checks of `doctor`. Each looks at one thing and adds what it found; doctor.c runs them on the ranks
// that its table says, and gathers.
#ifndef CNN_CLI_DOCTOR_H
#define CNN_CLI_DOCTOR_H
#include "cli/findings.h"
#include "comm/comm.h"

// Where a rank is.
struct cnn_peer {
    char host[256];
    int local_rank;
};

struct cnn_doctor {
    struct cnn_comm *comm;
    const char *dir;              // --dir
    const struct cnn_peer *peers; // of every rank, on every rank
};

// An error is only what ends the examination (an exchange that failed, no memory); what is wrong with the
// machine is a finding. Collective where all ranks run it.
typedef enum cnn_status (*cnn_check)(const struct cnn_doctor *doctor, struct cnn_findings *out);

enum cnn_status cnn_check_build(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_libraries(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_processor(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_threads(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_memory(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_devices(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_mpi(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_shared_memory(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_exchange(const struct cnn_doctor *doctor, struct cnn_findings *out); // collective
enum cnn_status cnn_check_disk(const struct cnn_doctor *doctor, struct cnn_findings *out);
enum cnn_status cnn_check_program(const struct cnn_doctor *doctor, struct cnn_findings *out); // collective
enum cnn_status cnn_check_clock(const struct cnn_doctor *doctor, struct cnn_findings *out);   // collective
enum cnn_status cnn_check_names(const struct cnn_doctor *doctor, struct cnn_findings *out);

#endif
