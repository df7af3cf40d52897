// The run's options: YAML text, checked against one table of all options, into this struct.
// Durations, choices and `auto` are resolved values here; nothing below config/ reads YAML.
#ifndef CNN_CONFIG_CONFIG_H
#define CNN_CONFIG_CONFIG_H
#include "config/augment.h"
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// "5 epochs", "500 steps": a count of steps or epochs. `never`, and zero however written, are {0, CNN_NEVER}.
enum cnn_unit { CNN_NEVER, CNN_STEPS, CNN_EPOCHS };
struct cnn_duration {
    double count; // may be fractional for epochs
    enum cnn_unit unit;
};

enum cnn_backend_kind { CNN_BACKEND_AUTO, CNN_BACKEND_CPU, CNN_BACKEND_CUDA };
enum cnn_comm_kind { CNN_COMM_AUTO, CNN_COMM_SELF, CNN_COMM_MPI, CNN_COMM_NCCL };
enum cnn_precision {
    CNN_PRECISION_AUTO,
    CNN_PRECISION_FP32,
    CNN_PRECISION_TF32,
    CNN_PRECISION_BF16,
    CNN_PRECISION_FP16
};
enum cnn_shuffle { CNN_SHUFFLE_FULL, CNN_SHUFFLE_NONE, CNN_SHUFFLE_WINDOW };
enum cnn_sampling { CNN_SAMPLING_UNIFORM, CNN_SAMPLING_CLASS_BALANCED };
enum cnn_optimizer_kind { CNN_OPTIMIZER_SGD };
enum cnn_schedule_kind {
    CNN_SCHEDULE_CONSTANT,
    CNN_SCHEDULE_STEP,
    CNN_SCHEDULE_MULTISTEP,
    CNN_SCHEDULE_COSINE,
    CNN_SCHEDULE_POLYNOMIAL
};

#define CNN_AUTO 0 // integer options whose value `auto` is chosen by the program
#define CNN_MAX_MILESTONES 16
#define CNN_MAX_PHASES 16

// A stretch of epochs, of train.phases, with pictures of another size or with another batch. It begins where
// the one before ends; what is 0 is as in the rest of the run.
struct cnn_phase {
    int until;         // epochs of the run that are done when it ends
    int height, width; // of training pictures
    int batch, micro;  // CNN_PHASE_MICRO_AUTO: batch / ranks, whatever train.batch.micro says
};
#define CNN_PHASE_MICRO_AUTO (-1)

struct cnn_config {
    char path[4096]; // the file it came from
    struct {
        char name[128], dir[4096];
        uint64_t seed;
    } run;
    struct {
        char train[4096], val[4096];
        int threads; // CNN_AUTO
        enum cnn_shuffle shuffle;
        int window; // shards mixed at a time by CNN_SHUFFLE_WINDOW
        enum cnn_sampling sampling;
        int repeats;     // times a record comes in a step's batch
        int ahead;       // micro-batches kept ready
        int64_t max_bad; // records that may fail in an epoch before the run stops
        int channels;    // 1, 3 or CNN_AUTO (as stored)
        double mean[3],
            std[3]; // of pixels scaled to 0..1; unset without has_stats: measured on the training set
        bool has_stats;
    } data;
    struct {
        struct cnn_augment_list train, eval;
        double mixup, cutmix, mix_p; // alphas (0: not), share of micro-batches
    } augment;
    struct {
        char arch[64];
        int classes; // CNN_AUTO: the dataset's
        bool zero_init_residual;
        double dropout; // negative: the architecture's own
    } model;
    struct {
        double epochs;
        struct {
            int global, micro; // micro: CNN_AUTO
        } batch;
        struct cnn_phase phases[CNN_MAX_PHASES];
        int n_phases;
        enum cnn_precision precision;
        bool deterministic, record, recompute; // of GPUs
        bool sync_batch_norm;
        struct {
            double initial; // 0: as the precision needs
            int grow_after;
        } loss_scale;
        int threads; // compute threads of a rank, CNN_AUTO
        double label_smoothing;
        struct {
            enum cnn_optimizer_kind name;
            double momentum, weight_decay, dampening;
            bool nesterov, decay_norm, decay_bias;
        } optimizer;
        struct {
            enum cnn_schedule_kind name;
            double rate;   // base learning rate
            int per_batch; // `rate` is meant for this global batch and scales linearly with it; 0: as written
            struct cnn_duration warmup;
            double warmup_from;                                 // fraction of the rate warm-up starts from
            struct cnn_duration every;                          // step
            struct cnn_duration milestones[CNN_MAX_MILESTONES]; // multistep
            int n_milestones;
            double factor, power, final_rate;
            bool by_epoch; // the rate changes at epoch boundaries only (false: every step)
        } schedule;
    } train;
    struct {
        struct cnn_duration every;
        int batch; // CNN_AUTO
    } eval;
    struct {
        struct cnn_duration every;
        int keep;
    } checkpoint;
    struct {
        enum cnn_comm_kind backend;
        double bucket_mb;             // CNN_AUTO
        enum cnn_precision precision; // FP32, BF16, FP16
        double timeout_s;
    } comm;
    struct {
        int every;
    } log;
    enum cnn_backend_kind backend;
};

// Reads `path`, applies `overrides` ("train.epochs=5", value in YAML), checks every key, type and range.
// Mistakes are CNN_ERR_INPUT of the form FILE:LINE:COLUMN: key: what was found, what is allowed; those of an
// override begin with `--set PATH` instead. Not collective.
enum cnn_status cnn_config_read(struct cnn_config *out, const char *path, const char *const *overrides,
                                size_t n_overrides) CNN_MUST_CHECK;
// The same from memory; `name` stands for the path in messages.
enum cnn_status cnn_config_parse(struct cnn_config *out, const char *name, const char *text, size_t bytes,
                                 const char *const *overrides, size_t n_overrides) CNN_MUST_CHECK;
// Every option at its default.
void cnn_config_defaults(struct cnn_config *out);
// The whole config, defaults included, as YAML that cnn_config_parse reads back to an equal config (byte for
// byte, where `name` is config->path). *out is malloc'ed.
enum cnn_status cnn_config_format(char **out, const struct cnn_config *config) CNN_MUST_CHECK;
// Calls `on_difference` for each option whose value differs, in the order of the table: its path, both values
// as YAML, and what follows where a run resumes with the new one (NULL: obvious). Strings are valid during
// the call.
typedef void (*cnn_config_difference)(void *context, const char *path, const char *was, const char *is,
                                      const char *what_follows);
enum cnn_status cnn_config_compare(const struct cnn_config *was, const struct cnn_config *is,
                                   cnn_config_difference on_difference, void *context) CNN_MUST_CHECK;
// Turns the config into that of one phase: the number `phase` of train.phases, from 0, gives train.batch and
// the size in augment.train; n_phases is what comes after them, the config as it is. CNN_ERR_INPUT where
// augment.train has nothing to set a size of. Not collective.
enum cnn_status cnn_config_for_phase(struct cnn_config *config, int phase) CNN_MUST_CHECK;
// All options as JSON (`config schema`) or as the reference page docs/config.md.
enum cnn_status cnn_config_schema_json(char **out) CNN_MUST_CHECK;
enum cnn_status cnn_config_schema_markdown(char **out) CNN_MUST_CHECK;

// Words for the enums above, as the YAML spells them.
const char *cnn_precision_name(enum cnn_precision precision);
const char *cnn_schedule_name(enum cnn_schedule_kind kind);

// `duration` in steps, given the steps of an epoch; rounds to the nearest step, at least 1;
// 0 for zero and never.
int64_t cnn_duration_steps(struct cnn_duration duration, int64_t steps_per_epoch);

#endif
