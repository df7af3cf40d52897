// `train`: runs the trainer, and turns its events into the progress line and the result.
#include "train/trainer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/signals.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void show_step(const struct cnn_event *event) {
    const struct cnn_event_step *step = &event->progress;
    if (!step->logged && !cnn_console_is_terminal())
        return;
    double step_s = step->step_s > 0 ? step->step_s : 1;
    struct cnn_progress_state state = {
        .epoch = step->epochs_done,
        .epochs = step->epochs,
        .step = event->step,
        .total_steps = step->total_steps,
        .loss = step->loss,
        .top1_percent = step->top1,
        .lr = step->lr,
        .images_per_s = step->images_per_s,
        .images_per_s_mean = step->images_per_s_mean,
        .data_wait = step->data_wait_s / step_s,
        .comm_wait = step->comm_wait_s / step_s,
        .eta_s = step->eta_s,
    };
    cnn_progress_update(cnn_console_progress(), &state);
}

static void on_event(void *context, const struct cnn_event *event) {
    struct cnn_event_end *end = context;
    if (event->kind == CNN_EVENT_STEP)
        show_step(event);
    if (event->kind == CNN_EVENT_EPOCH)
        cnn_progress_end_line(cnn_console_progress());
    if (event->kind == CNN_EVENT_END)
        *end = event->end;
}

static void print_result(const struct cnn_config *config, const struct cnn_event_end *end) {
    char duration[32];
    cnn_format_duration(duration, sizeof duration, end->seconds);
    if (end->best_step >= 0)
        printf("best top1 %.2f %% at step %" PRId64 ", ", end->best_top1, end->best_step);
    printf("trained in %s, results in %s/%s\n", duration, config->run.dir, config->run.name);
    // The run is done and on disk, also when nobody reads this line any more.
    if (fflush(stdout) != 0 && !freopen("/dev/null", "w", stdout))
        cnn_log_warn("cannot write the result to standard output");
}

static enum cnn_status train(struct cnn_config *config, const char *path, const struct cnn_strings *set,
                             const char *resume, struct cnn_comm *comm) {
    struct cnn_event_end end = {.best_step = -1};
    CNN_TRY(cnn_comm_agree(comm, cnn_config_read(config, path, set->items, (size_t)set->n)));
    cnn_comm_set_timeout(comm, config->comm.timeout_s);
    struct cnn_train_options options = {
        .config = config,
        .comm = comm,
        .resume = resume,
        .on_event = on_event,
        .event_context = &end,
        .stop_requested = cnn_signals_stop_requested,
    };
    CNN_TRY(cnn_train(&options));
    if (cnn_comm_rank(comm) == 0)
        print_result(config, &end);
    return CNN_OK;
}

enum cnn_status cnn_cmd_train(int argc, char **argv, struct cnn_comm *comm) {
    const char *resume = "auto";
    struct cnn_strings set = {0};
    const struct cnn_flag flags[] = {
        CNN_STRING_FLAG(
            "resume", &resume, "auto|none|FILE",
            "auto: resume the run if it exists; none: fail if it exists; FILE: resume from this checkpoint"),
        CNN_LIST_FLAG("set", &set, "KEY=VALUE", "override a value of the config, such as train.epochs=5"),
    };
    const struct cnn_args args = {
        .usage = "cnn_dist train CONFIG [--resume auto|none|FILE] [--set KEY=VALUE]...",
        .summary =
            "Trains the network described by the config, with one worker per rank: `mpirun -np 8 cnn_dist "
            "train CONFIG`.\nResults are written to the run folder, run.dir/run.name of the config.\nOn "
            "SIGTERM, SIGINT, SIGUSR1 or SIGHUP (the terminal was closed) the run saves a checkpoint after "
            "the current step\nand ends with exit code 75; the same command resumes it. A second SIGINT "
            "ends it at once. Under nohup, SIGHUP is\nignored. If nobody reads its output any more (`train "
            "... | head`), training continues without it; log.txt is complete.",
        .flags = flags,
        .n_flags = sizeof flags / sizeof *flags,
        .least_positional = 1,
        .most_positional = 1,
    };
    struct cnn_args_given given;
    struct cnn_config *config = NULL; // too large for the stack of a small thread
    CNN_TRY(cnn_args_take(&given, &args, argc, argv, comm));
    if (given.help)
        return CNN_OK;
    CNN_TRY(cnn_calloc(&config, 1, sizeof *config));
    enum cnn_status status = train(config, given.positional.items[0], &set, resume, comm);
    free(config);
    return status;
}
