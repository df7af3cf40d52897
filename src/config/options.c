#include "config/options.h"
#include <string.h>

// clang-format off: the table reads by entry
#define AT(field)                                                                                            \
    .offset = offsetof(struct cnn_config, field), .bytes = sizeof(((struct cnn_config *)0)->field)
#define FROM(lo, hi) .bounds = {lo, hi, false, false}
#define ABOVE(lo, hi) .bounds = {lo, hi, true, false} // (lo, hi]
#define BELOW(lo, hi) .bounds = {lo, hi, false, true} // [lo, hi)
#define TEXT(field) .type = CNN_OPTION_TEXT, AT(field)
#define INT(field) .type = CNN_OPTION_INT, AT(field)
#define LONG(field) .type = CNN_OPTION_LONG, AT(field)
#define REAL(field) .type = CNN_OPTION_REAL, AT(field)
#define BOOL(field) .type = CNN_OPTION_BOOL, AT(field)
#define DURATION(field) .type = CNN_OPTION_DURATION, AT(field)
#define CHOICE(field, list) .type = CNN_OPTION_CHOICE, AT(field), .choices = list
#define OR_AUTO(value) .has_auto = true, .auto_value = value

#define MAX_BATCH 1048576
#define MAX_SEED 9007199254740992.0 // 2^53: every reader of metrics.jsonl can hold it exactly

static const struct cnn_choice shuffles[] = {
    {"full", CNN_SHUFFLE_FULL}, {"window", CNN_SHUFFLE_WINDOW}, {"none", CNN_SHUFFLE_NONE}, {NULL, 0}};
static const struct cnn_choice samplings[] = {
    {"uniform", CNN_SAMPLING_UNIFORM}, {"class_balanced", CNN_SAMPLING_CLASS_BALANCED}, {NULL, 0}};
static const struct cnn_choice channels[] = {{"auto", CNN_AUTO}, {"1", 1}, {"3", 3}, {NULL, 0}};
static const struct cnn_choice optimizers[] = {{"sgd", CNN_OPTIMIZER_SGD}, {NULL, 0}};
static const struct cnn_choice precisions[] = {
    {"auto", CNN_PRECISION_AUTO}, {"fp32", CNN_PRECISION_FP32}, {"tf32", CNN_PRECISION_TF32},
    {"bf16", CNN_PRECISION_BF16}, {"fp16", CNN_PRECISION_FP16}, {NULL, 0},
};
static const struct cnn_choice schedules[] = {
    {"constant", CNN_SCHEDULE_CONSTANT},     {"step", CNN_SCHEDULE_STEP},
    {"multistep", CNN_SCHEDULE_MULTISTEP},   {"cosine", CNN_SCHEDULE_COSINE},
    {"polynomial", CNN_SCHEDULE_POLYNOMIAL}, {NULL, 0},
};
static const struct cnn_choice comms[] = {
    {"auto", CNN_COMM_AUTO},
    {"self", CNN_COMM_SELF},
    {"mpi", CNN_COMM_MPI},
    {"nccl", CNN_COMM_NCCL},
    {NULL, 0},
};
static const struct cnn_choice comm_precisions[] = {
    {"fp32", CNN_PRECISION_FP32}, {"bf16", CNN_PRECISION_BF16}, {"fp16", CNN_PRECISION_FP16}, {NULL, 0}};
static const struct cnn_choice backends[] = {
    {"auto", CNN_BACKEND_AUTO},
    {"cpu", CNN_BACKEND_CPU},
    {"cuda", CNN_BACKEND_CUDA},
    {NULL, 0},
};

const struct cnn_option_section cnn_option_sections[CNN_N_SECTIONS] = {
    {"run", "The run: its name, where its results go, and the seed of all its randomness."},
    {"data", "The datasets (folders of shards made by `cnn_dist dataset ...`) and how they are read."},
    {"augment", "What happens to a picture before the network sees it, in the order written. See "
                "[Augmentations](#augmentations)."},
    {"model", "The network. `cnn_dist model list` prints the architectures."},
    {"train", "How the network is trained."},
    {"eval", "How the network is tested on `data.val` while it trains."},
    {"checkpoint", "How often the state of training is saved, so that a stopped run can go on."},
    {"comm", "How the ranks exchange gradients."},
    {"log", "What is printed."},
};

const struct cnn_option cnn_option_table[CNN_N_OPTIONS] = {
    {.path = "run.name",
     TEXT(run.name),
     .fallback = "auto",
     OR_AUTO(0),
     .required = true,
     .doc = "name of the run and of its folder inside `run.dir`; `auto`: the config file's name without "
            "its ending"},
    {.path = "run.dir",
     TEXT(run.dir),
     .fallback = "runs",
     .required = true,
     .doc = "folder that holds the run folders"},
    {.path = "run.seed",
     LONG(run.seed),
     .fallback = "1",
     FROM(0, MAX_SEED),
     .doc = "every random choice (weights, order, augmentation) follows from this number"},

    {.path = "data.train",
     TEXT(data.train),
     .fallback = "",
     .doc = "folder of the dataset to train on; training needs it"},
    {.path = "data.val",
     TEXT(data.val),
     .fallback = "",
     .doc = "folder of the dataset to test on; left empty, no evaluation is made"},
    {.path = "data.threads",
     INT(data.threads),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1024),
     .unit = "threads",
     .doc = "threads of each rank that decode and augment; `auto`: from the processors the rank really has"},
    {.path = "data.shuffle",
     CHOICE(data.shuffle, shuffles),
     .fallback = "full",
     .doc = "`full`: a new order of all records every epoch; `window`: a new order of the shards, and of the "
            "records within each `window` shards, for disks that read slowly at random places; `none`: the "
            "order of the shards"},
    {.path = "data.window",
     INT(data.window),
     .fallback = "8",
     FROM(1, 99999),
     .unit = "shards",
     .doc = "`shuffle: window`: shards whose records are mixed"},
    {.path = "data.sampling",
     CHOICE(data.sampling, samplings),
     .fallback = "uniform",
     .doc = "`uniform`: every record at most once an epoch; `class_balanced`: every class equally often, so "
            "that "
            "records of rare classes come several times, each time augmented anew"},
    {.path = "data.repeats",
     INT(data.repeats),
     .fallback = "1",
     FROM(1, 64),
     .doc = "repeated augmentation: times each record comes in a step's batch, each time augmented anew; an "
            "epoch has as many steps as before, and shows 1 / repeats of the records"},
    {.path = "data.ahead",
     INT(data.ahead),
     .fallback = "4",
     FROM(1, 1024),
     .unit = "micro-batches",
     .doc = "micro-batches each rank keeps ready; more evens out slow reads and takes more memory"},
    {.path = "data.max_bad",
     LONG(data.max_bad),
     .fallback = "10",
     FROM(0, 1e12),
     .unit = "records",
     .doc = "records that may be damaged or fail to decode in an epoch, over all ranks (each is named in the "
            "log, "
            "and another takes its place), before the run stops"},
    {.path = "data.channels",
     CHOICE(data.channels, channels),
     .fallback = "auto",
     .doc = "1: pictures in gray; 3: in colour; `auto`: as they are stored"},
    {.path = "data.mean",
     .type = CNN_OPTION_STATS,
     AT(data.mean),
     .fallback = "auto",
     OR_AUTO(0),
     FROM(0, 1),
     .doc = "mean of each channel, of pixels scaled to 0..1, that is subtracted; `auto`: measured once on "
            "`data.train`"},
    {.path = "data.std",
     .type = CNN_OPTION_STATS,
     AT(data.std),
     .fallback = "auto",
     OR_AUTO(0),
     ABOVE(0, 1),
     .doc = "standard deviation of each channel, of pixels scaled to 0..1, that is divided by; set it "
            "together with `data.mean`"},

    {.path = "augment.train",
     .type = CNN_OPTION_AUGMENTS,
     AT(augment.train),
     .fallback = "[]",
     .doc = "augmentations of training pictures; the pictures must come out in one size"},
    {.path = "augment.eval",
     .type = CNN_OPTION_AUGMENTS,
     AT(augment.eval),
     .fallback = "[]",
     .doc = "what is done to pictures in evaluation and prediction; nothing random is allowed here"},

    {.path = "augment.mixup",
     REAL(augment.mixup),
     .fallback = "0",
     FROM(0, 100),
     .doc = "mixup (Zhang et al. 2018): alpha of the Beta distribution by which each training picture is "
            "blended with "
            "another of its micro-batch, and their labels alike; 0: not. With `augment.cutmix` each is taken "
            "half of "
            "the time"},
    {.path = "augment.cutmix",
     REAL(augment.cutmix),
     .fallback = "0",
     FROM(0, 100),
     .doc = "CutMix (Yun et al. 2019): alpha of the Beta distribution of the part that is not covered by a "
            "box of "
            "another picture; 0: not"},
    {.path = "augment.mix_p",
     REAL(augment.mix_p),
     .fallback = "1",
     FROM(0, 1),
     .doc = "share of the micro-batches that are mixed"},

    {.path = "model.arch",
     TEXT(model.arch),
     .fallback = "resnet50",
     .required = true,
     .doc = "architecture, one of `cnn_dist model list`"},
    {.path = "model.classes",
     INT(model.classes),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1000000),
     .unit = "classes",
     .doc = "classes the network tells apart; `auto`: as many as the dataset has"},
    {.path = "model.zero_init_residual",
     BOOL(model.zero_init_residual),
     .fallback = "false",
     .doc = "start the last batch norm of every residual block at zero, so that a block begins as the "
            "identity"},
    {.path = "model.dropout",
     REAL(model.dropout),
     .fallback = "auto",
     OR_AUTO(-1),
     BELOW(0, 1),
     .doc = "probability of dropping an activation where the architecture has dropout; `auto`: the "
            "architecture's own"},

    {.path = "train.epochs",
     REAL(train.epochs),
     .fallback = "90",
     ABOVE(0, 1e6),
     .unit = "epochs",
     .doc =
         "length of training. An epoch is as many whole steps as the training set fills; the records left "
         "over, whose "
         "number is in the log, are not used in that epoch. Each epoch leaves out different ones, except "
         "with "
         "`data.shuffle: none`. To leave out none, choose a `train.batch.global` that divides the number of "
         "records"},
    {.path = "train.batch.global",
     INT(train.batch.global),
     .fallback = "256",
     FROM(1, MAX_BATCH),
     .unit = "pictures",
     .doc = "pictures that make one step, over all ranks together"},
    {.path = "train.batch.micro",
     INT(train.batch.micro),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, MAX_BATCH),
     .unit = "pictures",
     .doc = "pictures computed at once on one device, a divisor of `train.batch.global`; smaller needs "
            "less memory; "
            "`auto`: global / ranks"},
    {.path = "train.phases",
     .type = CNN_OPTION_PHASES,
     AT(train.phases),
     .fallback = "[]",
     .count_offset = offsetof(struct cnn_config, train.n_phases),
     .doc =
         "training begins with these phases, one after the other, each `until` so many epochs are done: "
         "`size` "
         "(a number, or [height, width]) replaces the size of the last augmentation in `augment.train` that "
         "sets one, `batch` is its `train.batch.global`, `micro` its `train.batch.micro`; what is left out, "
         "and what follows the last phase, is as in the rest of the config. Evaluation keeps its size. See "
         "[Progressive sizes](augmentation.md#progressive-sizes)"},
    {.path = "train.precision",
     CHOICE(train.precision, precisions),
     .fallback = "auto",
     .doc =
         "what products and activations are computed in; parameters and their gradients are fp32 always. "
         "`auto`: bf16 on GPUs of compute capability 8.0 and more, fp32 elsewhere. `tf32` is fp32 whose "
         "factors are rounded to 10 bits of fraction; it and `fp16` are for GPUs, `bf16` also for processors "
         "with AVX-512 BF16 or AMX (without AMX, convolutions of 3x3 multiply floats)"},
    {.path = "train.loss_scale.initial",
     REAL(train.loss_scale.initial),
     .fallback = "auto",
     FROM(1.0 / 16777216, 16777216),
     OR_AUTO(0),
     .doc = "factor of the loss's gradient at the beginning, taken out again by the update; a step whose "
            "gradients overflow is skipped and halves it. `auto`: 65536 in fp16, none otherwise"},
    {.path = "train.loss_scale.grow_after",
     INT(train.loss_scale.grow_after),
     .fallback = "2000",
     FROM(0, 1000000000),
     .unit = "steps",
     .doc = "steps without overflow after which the loss scale is doubled; 0: never"},
    {.path = "train.sync_batch_norm",
     BOOL(train.sync_batch_norm),
     .fallback = "false",
     .doc = "batch norm by the statistics of all ranks' micro-batches together instead of each its own: for "
            "micro-batches of few pictures. Another number of ranks then changes what is computed"},
    {.path = "train.deterministic",
     BOOL(train.deterministic),
     .fallback = "true",
     .doc = "on GPUs, use only algorithms that give the same bits every time; on the CPU all do"},
    {.path = "train.record",
     BOOL(train.record),
     .fallback = "true",
     .doc =
         "on GPUs, run a step as one recorded CUDA graph; `false` queues every kernel by itself, to look for "
         "faults"},
    {.path = "train.recompute",
     BOOL(train.recompute),
     .fallback = "false",
     .doc =
         "on GPUs, make the outputs of batch norms again in backward instead of keeping them: less memory, "
         "more time. On the CPU that is always done"},
    {.path = "train.threads",
     INT(train.threads),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1024),
     .unit = "threads",
     .doc = "threads of each rank that compute (CPU backend); `auto`: from the processors the rank really "
            "has"},
    {.path = "train.label_smoothing",
     REAL(train.label_smoothing),
     .fallback = "0",
     BELOW(0, 1),
     .doc = "share of the target that is spread evenly over all classes"},

    {.path = "train.optimizer.name",
     CHOICE(train.optimizer.name, optimizers),
     .fallback = "sgd",
     .doc = "update rule of the weights"},
    {.path = "train.optimizer.momentum",
     REAL(train.optimizer.momentum),
     .fallback = "0.9",
     BELOW(0, 1),
     .doc = "how much of the previous update is carried on; 0: plain SGD"},
    {.path = "train.optimizer.weight_decay",
     REAL(train.optimizer.weight_decay),
     .fallback = "1e-4",
     FROM(0, 1),
     .doc = "pull of the weights towards zero (L2 penalty), added to the gradient"},
    {.path = "train.optimizer.dampening",
     REAL(train.optimizer.dampening),
     .fallback = "0",
     FROM(0, 1),
     .doc = "share of the gradient kept out of the momentum"},
    {.path = "train.optimizer.nesterov",
     BOOL(train.optimizer.nesterov),
     .fallback = "false",
     .doc = "look one momentum step ahead; needs momentum above 0 and dampening 0"},
    {.path = "train.optimizer.decay_norm",
     BOOL(train.optimizer.decay_norm),
     .fallback = "true",
     .doc = "weight decay also pulls on batch-norm scales and shifts"},
    {.path = "train.optimizer.decay_bias",
     BOOL(train.optimizer.decay_bias),
     .fallback = "true",
     .doc = "weight decay also pulls on the biases of convolution and linear layers"},

    {.path = "train.schedule.name",
     CHOICE(train.schedule.name, schedules),
     .fallback = "cosine",
     .doc = "how the learning rate falls: `step` uses every and factor, `multistep` milestones and factor, "
            "`cosine` final_rate, `polynomial` power and final_rate"},
    {.path = "train.schedule.rate",
     REAL(train.schedule.rate),
     .fallback = "0.1",
     ABOVE(0, 1000),
     .doc = "learning rate after warm-up"},
    {.path = "train.schedule.per_batch",
     INT(train.schedule.per_batch),
     .fallback = "0",
     FROM(0, MAX_BATCH),
     .unit = "pictures",
     .doc = "the global batch `rate` is meant for: the rate used is rate x train.batch.global / "
            "per_batch; 0: rate as written"},
    {.path = "train.schedule.warmup",
     DURATION(train.schedule.warmup),
     .fallback = "0",
     .doc = "time in which the rate climbs, linearly, to its full value"},
    {.path = "train.schedule.warmup_from",
     REAL(train.schedule.warmup_from),
     .fallback = "0",
     FROM(0, 1),
     .doc = "fraction of the full rate at which warm-up starts"},
    {.path = "train.schedule.every",
     DURATION(train.schedule.every),
     .fallback = "30 epochs",
     .doc = "`step`: time between two drops of the rate"},
    {.path = "train.schedule.milestones",
     .type = CNN_OPTION_DURATIONS,
     AT(train.schedule.milestones),
     .fallback = "[]",
     .count_offset = offsetof(struct cnn_config, train.schedule.n_milestones),
     .doc = "`multistep`: times at which the rate drops, counted from the start, increasing, all in "
            "epochs or all in steps"},
    {.path = "train.schedule.factor",
     REAL(train.schedule.factor),
     .fallback = "0.1",
     ABOVE(0, 1),
     .doc = "`step`, `multistep`: the rate is multiplied by this at every drop"},
    {.path = "train.schedule.power",
     REAL(train.schedule.power),
     .fallback = "1",
     ABOVE(0, 100),
     .doc = "`polynomial`: exponent of the curve; 1 is a straight line"},
    {.path = "train.schedule.final_rate",
     REAL(train.schedule.final_rate),
     .fallback = "0",
     FROM(0, 1000),
     .doc = "`cosine`, `polynomial`: learning rate at the end, as written (`per_batch` does not scale it)"},
    {.path = "train.schedule.by_epoch",
     BOOL(train.schedule.by_epoch),
     .fallback = "false",
     .doc = "change the rate only between epochs instead of at every step"},

    {.path = "eval.every",
     DURATION(eval.every),
     .fallback = "1 epoch",
     .repeats = true,
     .doc = "time between two evaluations on `data.val`"},
    {.path = "eval.batch",
     INT(eval.batch),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, MAX_BATCH),
     .unit = "pictures",
     .doc = "pictures evaluated at once on one device; does not change the result; `auto`: as in training"},

    {.path = "checkpoint.every",
     DURATION(checkpoint.every),
     .fallback = "1 epoch",
     .repeats = true,
     .doc = "time between two checkpoints"},
    {.path = "checkpoint.keep",
     INT(checkpoint.keep),
     .fallback = "3",
     FROM(1, 10000),
     .unit = "checkpoints",
     .doc = "newest checkpoints that stay on disk; the best one stays besides"},

    {.path = "comm.backend",
     CHOICE(comm.backend, comms),
     .fallback = "auto",
     .doc = "library that sums gradients over ranks; `self`: this process alone; `auto`: `nccl` where every "
            "rank has a GPU of its own, `mpi` otherwise"},
    {.path = "comm.bucket_mb",
     REAL(comm.bucket_mb),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     ABOVE(0, 4096),
     .unit = "MiB",
     .doc = "gradients are summed in pieces of this size while backward still runs"},
    {.path = "comm.precision",
     CHOICE(comm.precision, comm_precisions),
     .fallback = "fp32",
     .doc =
         "what gradients are rounded to before and after they are summed over ranks; 16 bits halve what "
         "hosts send each other (on one host they save nothing), and cost digits (`nccl` rounds after each "
         "addition). Statistics of batch norm are not rounded, and with one rank nothing is"},
    {.path = "comm.timeout_s",
     REAL(comm.timeout_s),
     .fallback = "600",
     ABOVE(0, 1e6),
     .unit = "s",
     .doc = "a rank that is silent for so long is taken for lost and the job ends"},

    {.path = "log.every",
     INT(log.every),
     .fallback = "50",
     FROM(1, 1000000),
     .unit = "steps",
     .doc = "steps between two lines of progress where the output is not a terminal, and in metrics.jsonl"},

    {.path = "backend",
     CHOICE(backend, backends),
     .fallback = "auto",
     .doc = "device to compute on; `auto`: `cuda` where this build and machine have it, else `cpu`"},
};

// clang-format on

const struct cnn_option *cnn_option_find(const char *path) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        if (strcmp(cnn_option_table[i].path, path) == 0)
            return &cnn_option_table[i];
    return NULL;
}

// The part of `path` inside `section`, or NULL when it lies outside.
static const char *inside(const char *path, const char *section) {
    size_t n = strlen(section);
    if (n == 0)
        return path;
    return strncmp(path, section, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

bool cnn_option_is_section(const char *path) {
    for (size_t i = 0; i < CNN_N_OPTIONS; i++)
        if (inside(cnn_option_table[i].path, path))
            return true;
    return false;
}

size_t cnn_option_keys(const char *section, struct cnn_key *out, size_t capacity) {
    size_t n = 0;
    for (size_t i = 0; i < CNN_N_OPTIONS; i++) {
        const char *start = inside(cnn_option_table[i].path, section);
        if (!start)
            continue;
        size_t bytes = strcspn(start, ".");
        // A group's options stand together in the table, so only the previous key can repeat.
        bool repeated = n && out[n - 1].bytes == bytes && strncmp(out[n - 1].start, start, bytes) == 0;
        if (!repeated && n < capacity)
            out[n++] = (struct cnn_key){start, bytes};
    }
    return n;
}
