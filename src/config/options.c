#include "config/options.h"

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
#define RESUMED(text) .resumed = text
#define OR_AUTO(value) .has_auto = true, .auto_value = value

// What follows where a run resumes with another value.
#define OTHER_ORDER "the rest of the epoch comes in another order: some records come twice, others not at all"
#define OTHER_INPUTS "the network sees other inputs than those it was trained on"
#define OTHER_EVALUATIONS "evaluations, and the best one so far, are not comparable with earlier ones"
#define OTHER_LOSSES "training losses are not comparable with earlier ones"
#define OTHER_BATCHES "batch norm sees other batches than before"
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
    {"run", "The name of the run, the folder of its results, and the seed."},
    {"data", "The datasets (folders of shards made by `cnn_dist dataset import` or `synth`) and how they are "
             "read."},
    {"augment", "What happens to an image before the network sees it, in the order written. See "
                "[Augmentations](#augmentations)."},
    {"model", "The network. `cnn_dist model list` prints the architectures."},
    {"train", "How the network is trained."},
    {"eval", "Evaluation on `data.val` during training."},
    {"checkpoint", "How often checkpoints are saved."},
    {"comm", "How ranks exchange gradients."},
    {"log", "What is printed."},
};

const struct cnn_option cnn_option_table[CNN_N_OPTIONS] = {
    {.path = "run.name",
     TEXT(run.name),
     .fallback = "auto",
     OR_AUTO(0),
     .required = true,
     .doc = "name of the run, and of its folder in `run.dir`; `auto`: the name of the config file without "
            "its extension"},
    {.path = "run.dir",
     TEXT(run.dir),
     .fallback = "runs",
     .required = true,
     .doc = "folder in which run folders are created"},
    {.path = "run.seed",
     LONG(run.seed),
     .fallback = "1",
     FROM(0, MAX_SEED),
     .doc = "seed of all randomness: initial weights, order of records, augmentation"},

    {.path = "data.train",
     TEXT(data.train),
     .fallback = "",
     .doc = "folder of the training dataset; required for training"},
    {.path = "data.val",
     TEXT(data.val),
     .fallback = "",
     RESUMED(OTHER_EVALUATIONS),
     .doc = "folder of the dataset to evaluate on; empty: no evaluation"},
    {.path = "data.threads",
     INT(data.threads),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1024),
     .unit = "threads",
     .doc = "threads of each rank that decode and augment images; `auto`: chosen from the number of "
            "processors available to the rank"},
    {.path = "data.shuffle",
     CHOICE(data.shuffle, shuffles),
     .fallback = "full",
     RESUMED(OTHER_ORDER),
     .doc = "`full`: a new random order of all records in every epoch; `window`: a new random order of "
            "the shards, and of the records within every `data.window` consecutive shards, for disks with "
            "slow random access; `none`: stored order"},
    {.path = "data.window",
     INT(data.window),
     .fallback = "8",
     FROM(1, 99999),
     .unit = "shards",
     RESUMED(OTHER_ORDER),
     .doc = "with `shuffle: window`: number of consecutive shards whose records are shuffled together"},
    {.path = "data.sampling",
     CHOICE(data.sampling, samplings),
     .fallback = "uniform",
     RESUMED(OTHER_ORDER),
     .doc = "`uniform`: each record at most once per epoch; `class_balanced`: every class equally often, "
            "so that records of rare classes are repeated within an epoch, each time with different "
            "augmentation"},
    {.path = "data.repeats",
     INT(data.repeats),
     .fallback = "1",
     FROM(1, 64),
     RESUMED(OTHER_ORDER),
     .doc = "repeated augmentation: how often each record occurs in the batch of a step, each time with "
            "different augmentation. The number of steps per epoch stays the same, so an epoch covers 1 / "
            "repeats of the records"},
    {.path = "data.ahead",
     INT(data.ahead),
     .fallback = "4",
     FROM(1, 1024),
     .unit = "micro-batches",
     .doc = "micro-batches that each rank prefetches; larger values smooth out slow reads and use more "
            "memory"},
    {.path = "data.max_bad",
     LONG(data.max_bad),
     .fallback = "10",
     FROM(0, 1e12),
     .unit = "records",
     .doc = "number of records per epoch, over all ranks, that may be damaged or fail to decode before "
            "the run stops. Each is named in the log and replaced by another record"},
    {.path = "data.channels",
     CHOICE(data.channels, channels),
     .fallback = "auto",
     .doc = "`1`: grayscale; `3`: colour; `auto`: as stored"},
    {.path = "data.mean",
     .type = CNN_OPTION_STATS,
     AT(data.mean),
     .fallback = "auto",
     OR_AUTO(0),
     FROM(0, 1),
     RESUMED(OTHER_INPUTS),
     .doc = "mean of each channel, of pixels scaled to 0..1, which is subtracted from the input; `auto`: "
            "measured once on `data.train`"},
    {.path = "data.std",
     .type = CNN_OPTION_STATS,
     AT(data.std),
     .fallback = "auto",
     OR_AUTO(0),
     ABOVE(0, 1),
     RESUMED(OTHER_INPUTS),
     .doc = "standard deviation of each channel, of pixels scaled to 0..1, by which the input is divided; "
            "must be set together with `data.mean`"},

    {.path = "augment.train",
     .type = CNN_OPTION_AUGMENTS,
     AT(augment.train),
     .fallback = "[]",
     RESUMED("training continues on other images, and its losses are not comparable with earlier ones"),
     .doc = "augmentations of training images; all results must have the same size"},
    {.path = "augment.eval",
     .type = CNN_OPTION_AUGMENTS,
     AT(augment.eval),
     .fallback = "[]",
     RESUMED(OTHER_EVALUATIONS),
     .doc = "transforms applied in evaluation and prediction; random ones are not allowed. A list that sets "
            "no size, "
            "such as `[]`, begins with `fit` to the size of the images in the dataset"},

    {.path = "augment.mixup",
     REAL(augment.mixup),
     .fallback = "0",
     FROM(0, 100),
     RESUMED(OTHER_LOSSES),
     .doc = "mixup (Zhang et al. 2018): alpha of the Beta distribution from which the blending factor of "
            "each training image with another one of its micro-batch is drawn; labels are blended alike. "
            "0: off. With `augment.cutmix` also set, each is used half of the time"},
    {.path = "augment.cutmix",
     REAL(augment.cutmix),
     .fallback = "0",
     FROM(0, 100),
     RESUMED(OTHER_LOSSES),
     .doc = "CutMix (Yun et al. 2019): alpha of the Beta distribution from which the share of the image "
            "not covered by a box of another image is drawn. 0: off"},
    {.path = "augment.mix_p",
     REAL(augment.mix_p),
     .fallback = "1",
     FROM(0, 1),
     .doc = "fraction of micro-batches to which mixup or CutMix is applied"},

    {.path = "model.arch",
     TEXT(model.arch),
     .fallback = "resnet50",
     .required = true,
     .doc = "architecture, one of those printed by `cnn_dist model list`"},
    {.path = "model.classes",
     INT(model.classes),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1000000),
     .unit = "classes",
     .doc = "number of classes; `auto`: that of the training dataset"},
    {.path = "model.zero_init_residual",
     BOOL(model.zero_init_residual),
     .fallback = "false",
     RESUMED("without effect: the weights are those of the checkpoint"),
     .doc = "initialize the last batch norm of every residual block to zero, so that each block starts as "
            "the identity"},
    {.path = "model.dropout",
     REAL(model.dropout),
     .fallback = "auto",
     OR_AUTO(-1),
     BELOW(0, 1),
     .doc = "dropout probability, for architectures that have dropout; `auto`: the default of the "
            "architecture"},

    {.path = "train.epochs",
     REAL(train.epochs),
     .fallback = "90",
     ABOVE(0, 1e6),
     .unit = "epochs",
     .doc = "length of training. An epoch consists of as many whole steps as the training set fills. The "
            "remaining records, whose number is logged at the start, are not used in that epoch. Each "
            "epoch leaves out different ones, except with `data.shuffle: none`. To use every record in "
            "every epoch, choose a `train.batch.global` that divides the number of records"},
    {.path = "train.batch.global",
     INT(train.batch.global),
     .fallback = "256",
     FROM(1, MAX_BATCH),
     .unit = "images",
     .doc = "images per step, over all ranks"},
    {.path = "train.batch.micro",
     INT(train.batch.micro),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, MAX_BATCH),
     .unit = "images",
     RESUMED(OTHER_BATCHES),
     .doc = "images computed at a time on one device; must divide `train.batch.global`. Smaller values "
            "use less memory. `auto`: global / ranks"},
    {.path = "train.phases",
     .type = CNN_OPTION_PHASES,
     AT(train.phases),
     .fallback = "[]",
     .count_offset = offsetof(struct cnn_config, train.n_phases),
     RESUMED("image size, batch or their times change"),
     .doc = "phases at the beginning of training, in order, each lasting until the given number of epochs "
            "is done: `size` (a number, or [height, width]) replaces the size of the last augmentation in "
            "`augment.train` that sets one; `batch` replaces `train.batch.global`; `micro` replaces "
            "`train.batch.micro`. Omitted values, and the time after the last phase, use the rest of the "
            "config. The image size in evaluation does not change. See [Progressive "
            "sizes](augmentation.md#progressive-sizes)"},
    {.path = "train.precision",
     CHOICE(train.precision, precisions),
     .fallback = "auto",
     RESUMED("results are rounded differently"),
     .doc = "number format of activations and matrix products; parameters and their gradients are always "
            "fp32. `auto`: bf16 on GPUs of compute capability 8.0 and higher, fp32 elsewhere. `tf32` is "
            "fp32 with factors rounded to 10 mantissa bits. `tf32` and `fp16` need a GPU; `bf16` needs a "
            "GPU or a processor with AVX-512 BF16 or AMX (without AMX, 3x3 convolutions multiply in fp32)"},
    {.path = "train.loss_scale.initial",
     REAL(train.loss_scale.initial),
     .fallback = "auto",
     FROM(1.0 / 16777216, 16777216),
     OR_AUTO(0),
     RESUMED("without effect: the loss scale is that of the checkpoint"),
     .doc = "initial loss scale: the factor that multiplies the gradient of the loss and is divided out "
            "by the update. A step whose gradients overflow is skipped and halves it. `auto`: 65536 in "
            "fp16, no scaling otherwise"},
    {.path = "train.loss_scale.grow_after",
     INT(train.loss_scale.grow_after),
     .fallback = "2000",
     FROM(0, 1000000000),
     .unit = "steps",
     .doc = "number of consecutive steps without overflow after which the loss scale is doubled; 0: never"},
    {.path = "train.sync_batch_norm",
     BOOL(train.sync_batch_norm),
     .fallback = "false",
     RESUMED(OTHER_BATCHES),
     .doc = "compute batch-norm statistics over the micro-batches of all ranks together instead of "
            "separately, for micro-batches of few images. The result then depends on the number of ranks"},
    {.path = "train.deterministic",
     BOOL(train.deterministic),
     .fallback = "true",
     .doc = "on GPUs, use only deterministic algorithms; on CPUs, all algorithms are deterministic"},
    {.path = "train.record",
     BOOL(train.record),
     .fallback = "true",
     .doc = "on GPUs, run each step as a CUDA graph; `false` launches every kernel separately, for "
            "debugging"},
    {.path = "train.recompute",
     BOOL(train.recompute),
     .fallback = "false",
     .doc = "on GPUs, recompute the outputs of batch norms in the backward pass instead of storing them, "
            "which saves memory and takes more time. The CPU backend always does"},
    {.path = "train.threads",
     INT(train.threads),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, 1024),
     .unit = "threads",
     .doc = "compute threads of each rank (CPU backend); `auto`: chosen from the number of processors "
            "available to the rank"},
    {.path = "train.label_smoothing",
     REAL(train.label_smoothing),
     .fallback = "0",
     BELOW(0, 1),
     RESUMED(OTHER_LOSSES),
     .doc = "fraction of the target that is spread evenly over all classes"},

    {.path = "train.optimizer.name",
     CHOICE(train.optimizer.name, optimizers),
     .fallback = "sgd",
     .doc = "optimization algorithm"},
    {.path = "train.optimizer.momentum",
     REAL(train.optimizer.momentum),
     .fallback = "0.9",
     BELOW(0, 1),
     .doc = "momentum factor; 0: plain SGD"},
    {.path = "train.optimizer.weight_decay",
     REAL(train.optimizer.weight_decay),
     .fallback = "1e-4",
     FROM(0, 1),
     .doc = "weight decay (L2 penalty), added to the gradient"},
    {.path = "train.optimizer.dampening",
     REAL(train.optimizer.dampening),
     .fallback = "0",
     FROM(0, 1),
     .doc = "dampening of momentum"},
    {.path = "train.optimizer.nesterov",
     BOOL(train.optimizer.nesterov),
     .fallback = "false",
     .doc = "use Nesterov momentum; requires momentum above 0 and dampening 0"},
    {.path = "train.optimizer.decay_norm",
     BOOL(train.optimizer.decay_norm),
     .fallback = "true",
     .doc = "apply weight decay to the scales and shifts of batch norm, too"},
    {.path = "train.optimizer.decay_bias",
     BOOL(train.optimizer.decay_bias),
     .fallback = "true",
     .doc = "apply weight decay to the biases of convolution and linear layers, too"},

    {.path = "train.schedule.name",
     CHOICE(train.schedule.name, schedules),
     .fallback = "cosine",
     .doc = "learning rate schedule: `step` uses `every` and `factor`; `multistep` uses `milestones` and "
            "`factor`; `cosine` uses `final_rate`; `polynomial` uses `power` and `final_rate`"},
    {.path = "train.schedule.rate",
     REAL(train.schedule.rate),
     .fallback = "0.1",
     ABOVE(0, 1000),
     .doc = "learning rate after warm-up"},
    {.path = "train.schedule.per_batch",
     INT(train.schedule.per_batch),
     .fallback = "0",
     FROM(0, MAX_BATCH),
     .unit = "images",
     .doc = "global batch size that `rate` is meant for; the learning rate becomes rate x "
            "train.batch.global / per_batch. 0: `rate` is used as written"},
    {.path = "train.schedule.warmup",
     DURATION(train.schedule.warmup),
     .fallback = "0",
     .doc = "length of the linear warm-up"},
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
     .doc = "`multistep`: times at which the rate drops, counted from the start of training, in "
            "increasing order, all in epochs or all in steps"},
    {.path = "train.schedule.factor",
     REAL(train.schedule.factor),
     .fallback = "0.1",
     ABOVE(0, 1),
     .doc = "`step`, `multistep`: factor by which the rate is multiplied at every drop"},
    {.path = "train.schedule.power",
     REAL(train.schedule.power),
     .fallback = "1",
     ABOVE(0, 100),
     .doc = "`polynomial`: exponent of the curve; 1 is a straight line"},
    {.path = "train.schedule.final_rate",
     REAL(train.schedule.final_rate),
     .fallback = "0",
     FROM(0, 1000),
     .doc = "`cosine`, `polynomial`: learning rate at the end of training, used as written (not scaled by "
            "`per_batch`)"},
    {.path = "train.schedule.by_epoch",
     BOOL(train.schedule.by_epoch),
     .fallback = "false",
     .doc = "update the learning rate only between epochs instead of at every step"},

    {.path = "eval.every",
     DURATION(eval.every),
     .fallback = "1 epoch",
     .repeats = true,
     .doc = "time between evaluations on `data.val`"},
    {.path = "eval.batch",
     INT(eval.batch),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     FROM(1, MAX_BATCH),
     .unit = "images",
     .doc = "images evaluated at a time on one device; every value counts each record once. `auto`: as in "
            "training"},

    {.path = "checkpoint.every",
     DURATION(checkpoint.every),
     .fallback = "1 epoch",
     .repeats = true,
     .doc = "time between checkpoints. An evaluation that finds a new best saves one in addition, at once"},
    {.path = "checkpoint.keep",
     INT(checkpoint.keep),
     .fallback = "3",
     FROM(1, 10000),
     .unit = "checkpoints",
     .doc = "number of latest checkpoints to keep on disk; the best one is kept in addition"},

    {.path = "comm.backend",
     CHOICE(comm.backend, comms),
     .fallback = "auto",
     .doc = "library that sums gradients over ranks; `self`: a single process without exchange; `auto`: "
            "`nccl` if every rank has a GPU of its own, otherwise `mpi`"},
    {.path = "comm.bucket_mb",
     REAL(comm.bucket_mb),
     .fallback = "auto",
     OR_AUTO(CNN_AUTO),
     ABOVE(0, 4096),
     .unit = "MiB",
     .doc = "size of the pieces in which gradients are summed while the backward pass is still running"},
    {.path = "comm.precision",
     CHOICE(comm.precision, comm_precisions),
     .fallback = "fp32",
     RESUMED("gradients are rounded differently"),
     .doc = "number format to which gradients are rounded before and after they are summed over ranks. 16 "
            "bits halve the traffic between hosts (not within a host) at the cost of accuracy; `nccl` "
            "rounds after each addition. Batch-norm statistics are not rounded, and neither is anything "
            "in a run with one rank"},
    {.path = "comm.timeout_s",
     REAL(comm.timeout_s),
     .fallback = "600",
     ABOVE(0, 1e6),
     .unit = "s",
     .doc = "how long a rank waits for another one. After a tenth of it the log says which rank, on "
            "which host, all others wait for; when it is over, the job ends with that message and exit "
            "code 1. A rank that reports that it is setting up, importing or saving a checkpoint may "
            "take 10 times as long"},

    {.path = "log.every",
     INT(log.every),
     .fallback = "50",
     FROM(1, 1000000),
     .unit = "steps",
     .doc = "steps between progress lines where the output is not a terminal, and between `step` lines in "
            "`metrics.jsonl`"},

    {.path = "backend",
     CHOICE(backend, backends),
     .fallback = "auto",
     .doc = "device to compute on; `auto`: `cuda` if the build and the machine support it, otherwise `cpu`"},
};

// clang-format on
