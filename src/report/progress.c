#include "report/progress.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_FIELDS 16
#define FIELD_BYTES 48
#define LINE_BYTES 512
#define ERASE_LINE "\r\x1b[K"

// One part of the line. Fields with the least weight are left out first on a narrow terminal.
struct field {
    char text[FIELD_BYTES];
    int weight;
    bool joined; // one space before it instead of two
};
struct fields {
    struct field items[MAX_FIELDS];
    int n;
};

static void add(struct fields *fields, int weight, const char *format, ...) CNN_PRINTF(3, 4);

static void add(struct fields *fields, int weight, const char *format, ...) {
    struct field *field = &fields->items[fields->n++];
    va_list args;
    va_start(args, format);
    vsnprintf(field->text, sizeof field->text, format, args);
    va_end(args);
    field->weight = weight;
    field->joined = field->text[0] == '(';
}

static void add_place(struct fields *fields, const struct cnn_progress_state *state) {
    if (!isnan(state->epochs))
        add(fields, 65, "epoch %.2f/%g", state->epoch, state->epochs);
    else if (!isnan(state->epoch))
        add(fields, 65, "epoch %.2f", state->epoch);
    if (state->total_steps > 0) {
        add(fields, 100, "step %llu/%llu", (unsigned long long)state->step,
            (unsigned long long)state->total_steps);
        add(fields, 10, "%.0f%%", floor(100.0 * (double)state->step / (double)state->total_steps));
    } else {
        add(fields, 100, "step %llu", (unsigned long long)state->step);
    }
}

static void add_results(struct fields *fields, const struct cnn_progress_state *state) {
    add(fields, 90, "loss %.4f", state->loss); // shown even if it is no number: that is news
    if (!isnan(state->top1_percent))
        add(fields, 20, "top1 %.1f%%", state->top1_percent);
    if (!isnan(state->lr))
        add(fields, 30, "lr %.4g", state->lr);
}

static void add_speed(struct fields *fields, const struct cnn_progress_state *state) {
    if (!isnan(state->images_per_s))
        add(fields, 70, "%.*f img/s", state->images_per_s < 99.5 ? 1 : 0, state->images_per_s);
    if (!isnan(state->images_per_s_mean))
        add(fields, 15, "(mean %.*f)", state->images_per_s_mean < 99.5 ? 1 : 0, state->images_per_s_mean);
    if (!isnan(state->data_wait))
        add(fields, 50, "data %.0f%%", 100 * state->data_wait);
    if (!isnan(state->comm_wait))
        add(fields, 40, "comm %.0f%%", 100 * state->comm_wait);
    if (!isnan(state->eta_s)) {
        char duration[32];
        cnn_format_duration(duration, sizeof duration, state->eta_s);
        add(fields, 60, "eta %s", duration);
    }
}

static int gap(const struct fields *fields, int i) { return i == 0 ? 0 : fields->items[i].joined ? 1 : 2; }

static int length_of(const struct fields *fields) {
    int length = 0;
    for (int i = 0; i < fields->n; i++)
        length += gap(fields, i) + (int)strlen(fields->items[i].text);
    return length;
}

static void drop_least(struct fields *fields) {
    int least = 0;
    for (int i = 1; i < fields->n; i++)
        if (fields->items[i].weight < fields->items[least].weight)
            least = i;
    fields->n--;
    memmove(&fields->items[least], &fields->items[least + 1],
            (size_t)(fields->n - least) * sizeof fields->items[0]);
}

void cnn_progress_format(char *out, size_t out_bytes, const struct cnn_progress_state *state, int width) {
    struct fields fields = {.n = 0};
    add_place(&fields, state);
    add_results(&fields, state);
    add_speed(&fields, state);
    while (width > 0 && fields.n > 1 && length_of(&fields) > width)
        drop_least(&fields);

    size_t room = width > 0 && (size_t)width + 1 < out_bytes ? (size_t)width + 1 : out_bytes, used = 0;
    if (room > 0)
        out[0] = '\0';
    for (int i = 0; i < fields.n && used + 1 < room; i++) {
        snprintf(out + used, room - used, "%*s%s", gap(&fields, i), "", fields.items[i].text);
        used += strlen(out + used);
    }
}

struct cnn_progress {
    pthread_mutex_t lock;
    FILE *stream;
    struct cnn_progress_options options;
    struct cnn_progress_state state;
    char text[LINE_BYTES]; // drawn instead of the state where it is not empty
    bool begun;            // state or text holds something to draw
    bool visible;          // the progress line stands on the terminal
    double drawn_s;
};

struct cnn_progress_options cnn_progress_options_for(FILE *stream, uint64_t every) {
    const char *term = getenv("TERM");
    bool terminal = isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
    return (struct cnn_progress_options){.terminal = terminal, .every = every, .interval_s = 0.1};
}

enum cnn_status cnn_progress_create(struct cnn_progress **out, FILE *stream,
                                    const struct cnn_progress_options *options) {
    struct cnn_progress *progress = NULL;
    CNN_TRY(cnn_calloc(&progress, 1, sizeof *progress));
    pthread_mutex_init(&progress->lock, NULL);
    progress->stream = stream;
    progress->options = *options;
    progress->drawn_s = -INFINITY;
    *out = progress;
    return CNN_OK;
}

void cnn_progress_destroy(struct cnn_progress *progress) {
    if (!progress)
        return;
    cnn_progress_end_line(progress);
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}

static int columns(const struct cnn_progress *progress) {
    struct winsize size;
    if (progress->options.width > 0)
        return progress->options.width;
    if (ioctl(fileno(progress->stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

// The last column stays free: a terminal that wraps there would begin a second line.
static void draw(struct cnn_progress *progress) {
    char line[LINE_BYTES];
    int width = columns(progress) - 1;
    width = width > 0 ? width : 1;
    if (progress->text[0])
        snprintf(line, sizeof line, "%.*s", width, progress->text);
    else
        cnn_progress_format(line, sizeof line, &progress->state, width);
    fprintf(progress->stream, "\r%s\x1b[K", line);
    fflush(progress->stream);
    progress->visible = true;
    progress->drawn_s = cnn_clock_s();
}

static void erase(struct cnn_progress *progress) {
    if (progress->visible)
        fputs(ERASE_LINE, progress->stream);
    progress->visible = false;
}

static bool is_due(const struct cnn_progress *progress, const struct cnn_progress_state *state) {
    if (state->total_steps > 0 && state->step == state->total_steps)
        return true;
    if (progress->options.terminal)
        return cnn_clock_s() - progress->drawn_s >= progress->options.interval_s;
    return progress->options.every == 0 || state->step % progress->options.every == 0;
}

void cnn_progress_update(struct cnn_progress *progress, const struct cnn_progress_state *state) {
    pthread_mutex_lock(&progress->lock);
    progress->state = *state;
    progress->text[0] = '\0';
    progress->begun = true;
    if (is_due(progress, state) && progress->options.terminal) {
        draw(progress);
    } else if (is_due(progress, state)) {
        char line[LINE_BYTES];
        cnn_progress_format(line, sizeof line, state, 0);
        fprintf(progress->stream, "%s\n", line);
        fflush(progress->stream);
    }
    pthread_mutex_unlock(&progress->lock);
}

void cnn_progress_text(struct cnn_progress *progress, const char *text) {
    pthread_mutex_lock(&progress->lock);
    if (progress->options.terminal) {
        snprintf(progress->text, sizeof progress->text, "%s", text);
        progress->begun = true;
        draw(progress);
    }
    pthread_mutex_unlock(&progress->lock);
}

void cnn_progress_print(struct cnn_progress *progress, const char *line) {
    pthread_mutex_lock(&progress->lock);
    bool redraw = progress->visible;
    erase(progress);
    fprintf(progress->stream, "%s\n", line);
    if (redraw)
        draw(progress);
    fflush(progress->stream);
    pthread_mutex_unlock(&progress->lock);
}

void cnn_progress_end_line(struct cnn_progress *progress) {
    pthread_mutex_lock(&progress->lock);
    if (progress->options.terminal && progress->begun) {
        draw(progress); // the last update may have come too soon after the one before
        fputc('\n', progress->stream);
        fflush(progress->stream);
    }
    progress->begun = progress->visible = false;
    progress->drawn_s = -INFINITY;
    pthread_mutex_unlock(&progress->lock);
}

void cnn_progress_clear(struct cnn_progress *progress) {
    pthread_mutex_lock(&progress->lock);
    erase(progress);
    fflush(progress->stream);
    pthread_mutex_unlock(&progress->lock);
}

void cnn_progress_log(void *progress, enum cnn_log_level level, const char *line) {
    static const char *const before[] = {
        [CNN_LOG_DEBUG] = "debug: ",
        [CNN_LOG_INFO] = "",
        [CNN_LOG_WARN] = "warning: ",
        [CNN_LOG_ERROR] = "error: ",
    };
    char text[4200];
    snprintf(text, sizeof text, "%s%s", before[level], line);
    cnn_progress_print(progress, text);
}
