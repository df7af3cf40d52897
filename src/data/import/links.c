// From the members of an archive to the files that are there once it is unpacked: where links lead.
#include "base/log.h"
#include "base/memory.h"
#include "data/import/members.h"
#include "data/import/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH_BYTES 8192
#define MAX_HOPS 40 // links on the way of one path, as in Linux
#define MAX_NAMED 10
// Links to folders that hold links to folders could multiply without end.
#define MAX_FILES(n) (100000 + 16 * (uint64_t)(n))

// A file to be: its bytes are those of member `data`, and it stands after those before it of the same bytes.
struct unpacked {
    size_t data, path; // path: in the members' texts
    uint64_t at, bytes;
};

// A link to a folder whose files are still to be added.
struct followed {
    size_t visible, folder; // in the members' texts: the path of the link, and where it leads
    size_t place;           // the folder that the link itself lies in
    size_t from;            // 1 + the one it was found in; 0: none
};

struct job {
    struct cnn_members *members;
    const struct cnn_members_options *options;
    struct cnn_ignored *ignored;
    struct unpacked *files;
    size_t n_files, files_room;
    struct followed *followed;
    size_t n_followed, followed_room;
    char last_folder[MAX_PATH_BYTES]; // that was implied by something hidden in it
    char lost[512];                   // names of links that may have been classes
    size_t n_lost;
};

static const char *text_of(const struct job *job, size_t at) { return cnn_members_text(job->members, at); }

static enum cnn_status keep_text(struct job *job, size_t *out, const char *text) {
    *out = job->members->texts.n;
    return cnn_bytes_add(&job->members->texts, text, strlen(text) + 1);
}

// ---- where links lead ----

// The file or symbolic link that member i is, however many hard links away; CNN_MEMBER_NONE: there is none. A
// hard link leads to what its target was when the link was made; to a later one where there was none.
static size_t follow_hard(const struct cnn_members *members, size_t i) {
    for (int hops = 0; hops < MAX_HOPS; hops++) {
        const struct cnn_member *member = &members->items[i];
        if (member->kind == CNN_ARCHIVE_FILE || member->kind == CNN_ARCHIVE_SYMBOLIC_LINK)
            return i;
        size_t last = cnn_members_find(members, cnn_members_text(members, member->target)), earlier = last;
        if (member->kind != CNN_ARCHIVE_HARD_LINK || last == CNN_MEMBER_NONE)
            return CNN_MEMBER_NONE;
        while (earlier != CNN_MEMBER_NONE && earlier >= i)
            earlier = members->items[earlier].same ? members->items[earlier].same - 1 : CNN_MEMBER_NONE;
        i = earlier != CNN_MEMBER_NONE ? earlier : last;
    }
    return CNN_MEMBER_NONE;
}

// Where a path leads: `member` a file, or `folder` where member is CNN_MEMBER_NONE and `found`.
struct spot {
    bool found;
    size_t member;
    char folder[MAX_PATH_BYTES];
};

static void go_up(char *path) {
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
}

// Puts `target` in front of what is left of a path; false: it is absolute, or too long.
static bool put_before(char rest[MAX_PATH_BYTES], const char *target) {
    char joined[MAX_PATH_BYTES];
    int n = snprintf(joined, sizeof joined, "%s/%s", target, rest);
    if (*target == '/' || n < 0 || (size_t)n >= sizeof joined)
        return false;
    memcpy(rest, joined, (size_t)n + 1);
    return true;
}

// Takes the next component from `rest` and goes there from out->folder. *out_end: this was the last step.
static bool take_step(struct spot *out, const struct cnn_members *members, char rest[MAX_PATH_BYTES],
                      int *hops, bool *out_end) {
    size_t skip = strspn(rest, "/"), length = strcspn(rest + skip, "/"), n = strlen(out->folder);
    char *name = rest + skip;
    *out_end = length == 0;
    if (length == 0)
        return true;
    if (length == 2 && strncmp(name, "..", 2) == 0) {
        if (n == 0) // out of the archive
            return false;
        go_up(out->folder);
    } else if (!(length == 1 && *name == '.')) {
        if (n + 1 + length >= MAX_PATH_BYTES)
            return false;
        snprintf(out->folder + n, MAX_PATH_BYTES - n, "%s%.*s", n > 0 ? "/" : "", (int)length, name);
    }
    memmove(rest, name + length, strlen(name + length) + 1);
    size_t found = cnn_members_find(members, out->folder);
    found = found == CNN_MEMBER_NONE || members->items[found].kind == CNN_ARCHIVE_FOLDER
                ? CNN_MEMBER_NONE
                : follow_hard(members, found);
    if (found == CNN_MEMBER_NONE) // a folder, if there is anything
        return true;
    if (members->items[found].kind == CNN_ARCHIVE_FILE) {
        *out_end = true;
        out->member = found;
        return rest[strspn(rest, "/")] == '\0';
    }
    go_up(out->folder);
    return ++*hops <= MAX_HOPS && put_before(rest, cnn_members_text(members, members->items[found].target));
}

// Where the symbolic link `target` leads that lies in `folder`.
static enum cnn_status find_spot(struct spot *out, struct cnn_members *members, const char *folder,
                                 const char *target) {
    char rest[MAX_PATH_BYTES] = "";
    int hops = 1;
    bool end = false;
    size_t first, n;
    out->found = false;
    out->member = CNN_MEMBER_NONE;
    snprintf(out->folder, sizeof out->folder, "%s", folder);
    if (!*target || !put_before(rest, target))
        return CNN_OK;
    while (!end)
        if (!take_step(out, members, rest, &hops, &end))
            return CNN_OK;
    out->found = true;
    if (out->member != CNN_MEMBER_NONE)
        return CNN_OK;
    size_t last = cnn_members_find(members, out->folder);
    CNN_TRY(cnn_members_below(&first, &n, members, out->folder));
    out->found = n > 0 || (last != CNN_MEMBER_NONE && members->items[last].kind == CNN_ARCHIVE_FOLDER);
    return CNN_OK;
}

// ---- files ----

// `data` says between which others the file stands.
static enum cnn_status add(struct job *job, size_t data, const char *path, uint64_t at, uint64_t bytes) {
    struct unpacked file = {.data = data, .at = at, .bytes = bytes};
    if (job->n_files >= MAX_FILES(job->members->n))
        return cnn_fail(CNN_ERR_INPUT, "%s: links to folders lead to more than %" PRIu64 " files",
                        job->options->what, MAX_FILES(job->members->n));
    CNN_TRY(keep_text(job, &file.path, path));
    CNN_TRY(cnn_make_room(&job->files, &job->files_room, job->n_files, sizeof *job->files));
    job->files[job->n_files++] = file;
    return CNN_OK;
}

static enum cnn_status add_file(struct job *job, size_t data, const char *path) {
    const struct cnn_member *member = &job->members->items[data];
    return add(job, data, path, job->members->scattered ? data : member->at, member->bytes);
}

static enum cnn_status add_folder(struct job *job, size_t data, const char *path) {
    return job->options->folders && *path ? add(job, data, path, CNN_RECORD_IS_FOLDER, 0) : CNN_OK;
}

static enum cnn_status add_lost(struct job *job, size_t data, const char *path, uint64_t at) {
    if (!cnn_path_is_picture(path) && job->n_lost++ < MAX_NAMED) {
        size_t n = strlen(job->lost);
        snprintf(job->lost + n, sizeof job->lost - n, "%s%s", n > 0 ? ", " : "", path);
    }
    return add(job, data, path, at, 0);
}

// What is hidden is not taken; the folder around it is there all the same.
static enum cnn_status ignore_hidden(struct job *job, size_t i, const char *path) {
    char folder[MAX_PATH_BYTES];
    job->ignored->files[CNN_IGNORED_HIDDEN] += job->members->items[i].kind != CNN_ARCHIVE_FOLDER;
    snprintf(folder, sizeof folder, "%s", path);
    while (cnn_path_is_hidden(folder))
        go_up(folder);
    if (strcmp(folder, job->last_folder) == 0)
        return CNN_OK;
    memcpy(job->last_folder, folder, sizeof folder);
    return add_folder(job, i, folder);
}

static bool is_in(const char *path, const char *folder) {
    size_t n = strlen(folder);
    return n == 0 || (strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

// `folder` is around the place of the link, or of a link through which that was reached.
static bool is_circle(const struct job *job, const char *folder, const char *place, size_t from) {
    bool circle = is_in(place, folder);
    for (; from > 0 && !circle; from = job->followed[from - 1].from)
        circle = is_in(text_of(job, job->followed[from - 1].place), folder);
    return circle;
}

static enum cnn_status add_symbolic(struct job *job, size_t i, size_t link, const char *path, size_t from) {
    const struct cnn_member *member = &job->members->items[i];
    char place[MAX_PATH_BYTES];
    struct spot spot;
    snprintf(place, sizeof place, "%s", text_of(job, member->key));
    go_up(place);
    CNN_TRY(find_spot(&spot, job->members, place, text_of(job, job->members->items[link].target)));
    if (!spot.found)
        return add_lost(job, i, path, CNN_MEMBER_LOST);
    if (spot.member != CNN_MEMBER_NONE)
        return add_file(job, spot.member, path);
    if (is_circle(job, spot.folder, place, from))
        return add_lost(job, i, path, CNN_MEMBER_CIRCLE);
    struct followed followed = {.from = from};
    CNN_TRY(keep_text(job, &followed.visible, path));
    CNN_TRY(keep_text(job, &followed.folder, spot.folder));
    CNN_TRY(keep_text(job, &followed.place, place));
    CNN_TRY(cnn_make_room(&job->followed, &job->followed_room, job->n_followed, sizeof *job->followed));
    job->followed[job->n_followed++] = followed;
    return add_folder(job, i, path);
}

// Member i, which is seen at `path`, a buffer that may be changed. from: 1 + the link to a folder behind
// which it was found; 0: none.
static enum cnn_status add_member(struct job *job, size_t i, char *path, size_t from) {
    const struct cnn_member *member = &job->members->items[i];
    if (cnn_path_is_hidden(path))
        return ignore_hidden(job, i, path);
    if (member->kind == CNN_ARCHIVE_FOLDER)
        return add_folder(job, i, path);
    if (member->kind == CNN_ARCHIVE_SPECIAL) {
        job->ignored->files[CNN_IGNORED_SPECIAL]++;
        go_up(path);
        return add_folder(job, i, path);
    }
    size_t real = follow_hard(job->members, i);
    if (real == CNN_MEMBER_NONE)
        return add_lost(job, i, path, CNN_MEMBER_LOST);
    if (job->members->items[real].kind == CNN_ARCHIVE_SYMBOLIC_LINK)
        return add_symbolic(job, i, real, path, from);
    return add_file(job, real, path);
}

// What is below the folder that the link number `from` - 1 leads to.
static enum cnn_status add_followed(struct job *job, size_t from) {
    struct cnn_members *members = job->members;
    const struct followed followed = job->followed[from - 1];
    size_t first, n, n_folder = strlen(text_of(job, followed.folder));
    char path[MAX_PATH_BYTES];
    CNN_TRY(cnn_members_below(&first, &n, members, text_of(job, followed.folder)));
    for (size_t k = first; k < first + n; k++) {
        const char *key = text_of(job, members->items[members->sorted[k]].key);
        int length = snprintf(path, sizeof path, "%s%s%s", text_of(job, followed.visible),
                              n_folder > 0 ? "" : "/", key + n_folder);
        if (length < 0 || (size_t)length >= sizeof path)
            return cnn_fail(CNN_ERR_INPUT, "%s: links lead to paths of more than %d bytes",
                            job->options->what, MAX_PATH_BYTES);
        CNN_TRY(add_member(job, members->sorted[k], path, from));
    }
    return CNN_OK;
}

// ---- all of them ----

// What follows the folder `under`, a key, in the member's path; NULL: it is not below it.
static const char *below(const struct job *job, const struct cnn_member *member, const char *under) {
    const char *key = text_of(job, member->key);
    size_t n = strlen(under);
    if (n == 0)
        return text_of(job, member->kind == CNN_ARCHIVE_FOLDER ? member->key : member->path);
    return strncmp(key, under, n) == 0 && key[n] == '/' ? key + n + 1 : NULL;
}

static enum cnn_status add_all(struct job *job, const char *under) {
    char path[MAX_PATH_BYTES];
    for (size_t i = 0; i < job->members->n; i++) {
        const struct cnn_member *member = &job->members->items[i];
        const char *name = below(job, member, under);
        if (!name || !*text_of(job, member->key))
            continue;
        snprintf(path, sizeof path, "%s", name);
        if (!member->replaced)
            CNN_TRY(add_member(job, i, path, 0));
        else if (member->kind != CNN_ARCHIVE_FOLDER && !cnn_path_is_hidden(path))
            job->ignored->files[CNN_IGNORED_REPLACED]++;
    }
    for (size_t k = 0; k < job->n_followed; k++)
        CNN_TRY(add_followed(job, k + 1));
    return CNN_OK;
}

static int by_data(const void *a, const void *b) {
    const struct unpacked *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->path < y->path ? -1 : x->path > y->path; // as they were added
}

static enum cnn_status put_records(struct cnn_records *out, struct job *job) {
    if (job->n_files > 0)
        qsort(job->files, job->n_files, sizeof *job->files, by_data);
    for (size_t k = 0; k < job->n_files; k++) {
        const struct unpacked *file = &job->files[k];
        CNN_TRY(cnn_records_add(out, text_of(job, file->path), file->bytes, file->at, -1));
    }
    return CNN_OK;
}

enum cnn_status cnn_members_make_records(struct cnn_records *out, struct cnn_members *members,
                                         const struct cnn_members_options *options) {
    struct job job = {.members = members, .options = options, .ignored = &out->ignored};
    char under[MAX_PATH_BYTES] = "";
    if (options->under)
        CNN_TRY(cnn_path_normalize(under, options->under + strspn(options->under, "/")));
    enum cnn_status status = add_all(&job, strcmp(under, ".") == 0 ? "" : under);
    if (status == CNN_OK)
        status = put_records(out, &job);
    if (status == CNN_OK && job.n_lost > 0 && options->warns)
        cnn_log_warn("%s: %zu broken or circular link%s: %s%s", options->what, job.n_lost,
                     job.n_lost == 1 ? "" : "s", job.lost, job.n_lost > MAX_NAMED ? ", ..." : "");
    free(job.files);
    free(job.followed);
    return status;
}
