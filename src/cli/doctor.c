// `doctor`: is everything here that training needs, and is it as fast as it should be.
#include "cli/doctor.h"

#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json.h"
#include <cnn_dist/version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum scope { FIRST, HOSTS, RANKS }; // rank 0, the first rank of every host, all ranks

static const struct check {
    const char *name;
    enum scope scope;
    cnn_check run;
} checks[] = {
    {"build", FIRST, cnn_check_build},         {"libraries", RANKS, cnn_check_libraries},
    {"processor", HOSTS, cnn_check_processor}, {"threads", HOSTS, cnn_check_threads},
    {"memory", HOSTS, cnn_check_memory},       {"devices", HOSTS, cnn_check_devices},
    {"program", RANKS, cnn_check_program},     {"names", HOSTS, cnn_check_names},
    {"clock", RANKS, cnn_check_clock},         {"mpi", RANKS, cnn_check_mpi},
    {"shm", HOSTS, cnn_check_shared_memory},   {"exchange", RANKS, cnn_check_exchange},
    {"disk", FIRST, cnn_check_disk},
};

struct examination {
    struct cnn_doctor doctor;
    struct cnn_peer *peers;
    struct cnn_findings *mine; // of the check under way
    bool *has;                 // by rank
    bool json;
    json_t *told; // on rank 0: the checks so far, for the document
    int counts[CNN_N_VERDICTS];
};

// ---- telling, on rank 0 ----

static bool takes_part(const struct examination *exam, enum scope scope, int rank) {
    return scope == RANKS || (scope == HOSTS ? exam->peers[rank].local_rank == 0 : rank == 0);
}

static void name_hosts(char *out, size_t out_bytes, const struct examination *exam, int ranks) {
    enum { MOST = 4 }; // a list nobody reads helps nobody
    int n = 0;
    size_t used = 0;
    for (int rank = 0; rank < ranks; rank++) {
        if (!exam->has[rank])
            continue;
        if (n++ < MOST && used < out_bytes)
            used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", n > 1 ? ", " : "host ",
                                     exam->peers[rank].host);
    }
    if (n > MOST && used < out_bytes)
        snprintf(out + used, out_bytes - used, " and %d more", n - MOST);
}

// Who says what `has` marks: "" where all say it that were asked.
static void name_sayers(char *out, size_t out_bytes, const struct examination *exam, enum scope scope) {
    int ranks = cnn_comm_size(exam->doctor.comm);
    bool all = true;
    for (int rank = 0; rank < ranks; rank++)
        all = all && (exam->has[rank] || !takes_part(exam, scope, rank));
    out[0] = '\0';
    if (!all && scope == HOSTS)
        name_hosts(out, out_bytes, exam, ranks);
    else if (!all)
        cnn_ranks_format(out, out_bytes, exam->has, ranks);
}

static void tell_json(json_t **findings, const char *who, const struct cnn_finding *finding) {
    cnn_json_append(findings,
                    json_pack("{s:s, s:o, s:o, s:o}", "verdict", cnn_verdict_name(finding->verdict), "who",
                              cnn_json_string(*who ? who : NULL), "found", cnn_json_string(finding->text),
                              "advice", cnn_json_string(*finding->advice ? finding->advice : NULL)));
}

static void tell_text(const char *who, const struct cnn_finding *finding) {
    char line[1280];
    cnn_finding_format(line, sizeof line, who, finding);
    puts(line);
}

// `all`: `each` findings of every rank.
static void tell(struct examination *exam, const struct check *check, struct cnn_finding *all, int each) {
    struct cnn_finding finding;
    char who[512];
    json_t *findings = json_array();
    while (cnn_findings_take(&finding, exam->has, all, cnn_comm_size(exam->doctor.comm), each)) {
        exam->counts[finding.verdict]++;
        name_sayers(who, sizeof who, exam, check->scope);
        if (exam->json)
            tell_json(&findings, who, &finding);
        else
            tell_text(who, &finding);
    }
    cnn_json_append(&exam->told, json_pack("{s:s, s:o}", "name", check->name, "findings", findings));
    fflush(stdout); // the next check may take a while
}

// ---- asking ----

static enum cnn_status gather(struct examination *exam, const struct check *check) {
    struct cnn_comm *comm = exam->doctor.comm;
    struct cnn_finding *all = NULL;
    int64_t each = exam->mine->n;
    CNN_TRY(cnn_comm_allreduce(comm, &each, 1, CNN_COMM_I64, CNN_REDUCE_MAX));
    enum cnn_status status = CNN_OK;
    if (cnn_comm_rank(comm) == 0)
        status = cnn_calloc(&all, (size_t)cnn_comm_size(comm) * (size_t)each, sizeof *all);
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = cnn_comm_gather(comm, exam->mine->items, (size_t)each * sizeof *all, all, 0);
    if (status == CNN_OK && cnn_comm_rank(comm) == 0)
        tell(exam, check, all, (int)each);
    free(all);
    return status;
}

static enum cnn_status ask(struct examination *exam, const struct check *check) {
    struct cnn_comm *comm = exam->doctor.comm;
    enum cnn_status status = CNN_OK;
    memset(exam->mine, 0, sizeof *exam->mine);
    if (takes_part(exam, check->scope, cnn_comm_rank(comm)))
        status = check->run(&exam->doctor, exam->mine);
    if (status == CNN_ERR_COMM) // ranks may be out of step: nothing more can be asked
        return status;
    CNN_TRY(cnn_comm_agree(comm, status));
    return gather(exam, check);
}

// All ranks learn where all are.
static enum cnn_status find_peers(struct examination *exam) {
    struct cnn_comm *comm = exam->doctor.comm;
    struct cnn_peer mine = {.local_rank = cnn_comm_local_rank(comm)};
    snprintf(mine.host, sizeof mine.host, "%s", cnn_comm_host(comm));
    CNN_TRY(cnn_comm_gather(comm, &mine, sizeof mine, exam->peers, 0));
    return cnn_comm_broadcast(comm, exam->peers, (size_t)cnn_comm_size(comm) * sizeof mine, 0);
}

static enum cnn_status tell_sum(struct examination *exam) {
    const int *n = exam->counts;
    if (!exam->json) {
        printf("%d ok, %d warning%s, %d failed\n", n[CNN_VERDICT_OK], n[CNN_VERDICT_WARN],
               n[CNN_VERDICT_WARN] == 1 ? "" : "s", n[CNN_VERDICT_FAIL]);
        return CNN_OK;
    }
    json_t *told = exam->told;
    exam->told = NULL;
    return cnn_json_print(json_pack(
        "{s:s, s:i, s:i, s:o, s:i, s:i, s:i}", "version", cnn_dist_version(), "ranks",
        cnn_comm_size(exam->doctor.comm), "hosts", cnn_comm_hosts(exam->doctor.comm), "checks", told, "ok",
        n[CNN_VERDICT_OK], "warnings", n[CNN_VERDICT_WARN], "failed", n[CNN_VERDICT_FAIL]));
}

static enum cnn_status examine(struct examination *exam) {
    struct cnn_comm *comm = exam->doctor.comm;
    bool tells = cnn_comm_rank(comm) == 0;
    CNN_TRY(find_peers(exam));
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        CNN_TRY(ask(exam, &checks[i]));
    CNN_TRY(cnn_comm_agree(comm, tells ? tell_sum(exam) : CNN_OK));
    CNN_TRY(cnn_comm_broadcast(comm, exam->counts, sizeof exam->counts, 0));
    int failed = exam->counts[CNN_VERDICT_FAIL];
    if (failed == 0)
        return CNN_OK;
    return cnn_fail(CNN_ERR_FAILED, "doctor: %d check%s failed; see above for what to do", failed,
                    failed == 1 ? "" : "s");
}

static enum cnn_status run(struct cnn_comm *comm, const char *dir, bool json) {
    struct examination exam = {.doctor = {.comm = comm, .dir = dir}, .json = json, .told = json_array()};
    size_t ranks = (size_t)cnn_comm_size(comm);
    enum cnn_status status = cnn_calloc(&exam.peers, ranks, sizeof *exam.peers);
    if (status == CNN_OK)
        status = cnn_calloc(&exam.has, ranks, sizeof *exam.has);
    if (status == CNN_OK)
        status = cnn_calloc(&exam.mine, 1, sizeof *exam.mine);
    exam.doctor.peers = exam.peers;
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = examine(&exam);
    json_decref(exam.told);
    free(exam.mine);
    free(exam.has);
    free(exam.peers);
    return status;
}

enum cnn_status cnn_cmd_doctor(int argc, char **argv, struct cnn_comm *comm) {
    bool json = false;
    const char *dir = "runs";
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG("dir", &dir, "DIR", "folder of the run folders; its disk is tested"),
        CNN_BOOL_FLAG("json", &json, "print the result as one JSON document"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist doctor [--dir DIR] [--json]",
        .summary =
            "Checks the installation and the machine. Prints one line per finding, marked [ok], [warn] or "
            "[fail], with advice.\nUnder mpirun, it also checks all hosts and the exchange between ranks. "
            "The disk is tested with a temporary file\nof 64 MiB; DIR is not created. The exit code is 0 if "
            "no check failed, otherwise 1.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
    };
    struct cnn_args_given given;
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    if (*dir == '\0')
        return cnn_fail(CNN_ERR_INPUT, "--dir: expected a folder, found nothing");
    if (json)
        cnn_console_quiet();
    return run(comm, dir, json);
}
