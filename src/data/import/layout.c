// How the folders of a source lie, and so the classes and splits of its files: class folders, or splits of
// class folders, with or without a folder around everything. Where it is unclear which folders are classes,
// that is an error that shows the layout.
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/import/paths.h"
#include "data/import/records.h"
#include "data/import/select.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_SHOWN 5 // folders in a message
#define MANY 10     // pictures in folders for one beside them: that one does not count

// ---- paths ----

struct piece {
    const char *text;
    size_t length;
};

// The next component of a path that counts; false: there is none.
static bool next_piece(const char **at, struct piece *out) {
    for (;;) {
        *at += strspn(*at, "/");
        size_t length = strcspn(*at, "/");
        if (length == 0)
            return false;
        *out = (struct piece){*at, length};
        *at += length;
        if (!(length == 1 && out->text[0] == '.') && !(length == 2 && strncmp(out->text, "..", 2) == 0))
            return true;
    }
}

#define MAX_PIECES 3

// The components behind the first `skip`, at most MAX_PIECES of them.
static int cut_path(struct piece out[MAX_PIECES], const char *path, int skip) {
    int n = 0;
    struct piece skipped;
    while (skip-- > 0)
        if (!next_piece(&path, &skipped))
            return 0;
    while (n < MAX_PIECES && next_piece(&path, &out[n]))
        n++;
    return n;
}

static bool is_split_name(struct piece piece) {
    static const char *const names[] = {"train", "training", "val", "valid", "validation", "test", "testing"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == piece.length && strncasecmp(names[i], piece.text, piece.length) == 0)
            return true;
    return false;
}

// ---- the folders of one level ----

struct content {
    uint64_t direct, deep; // files in the folder itself, and in folders in it
    uint64_t pictures;     // of the direct ones, by their names
    uint64_t in_splits;    // of the deep ones, in folders with the names of splits
    bool is_split;         // by its name
};

// All folders that hold files, behind `skip` others.
struct level {
    struct cnn_names folders;
    struct content *contents; // by folder
    size_t room;
    struct cnn_names inner_splits; // names of splits, of folders in the folders
    int n_splits, n_deep_splits;   // folders with the names of splits; those with folders and no pictures
};

static void level_finish(struct level *level) {
    cnn_names_finish(&level->folders);
    cnn_names_finish(&level->inner_splits);
    free(level->contents);
    *level = (struct level){0};
}

static enum cnn_status level_add(struct level *level, const char *path, int skip) {
    struct piece pieces[MAX_PIECES];
    int n = cut_path(pieces, path, skip), number, before = level->folders.n;
    if (n < 2) // a file beside the folders
        return CNN_OK;
    bool deep = n == 3;
    CNN_TRY(cnn_make_room(&level->contents, &level->room, (size_t)before, sizeof *level->contents));
    CNN_TRY(cnn_names_add(&number, &level->folders, pieces[0].text, pieces[0].length));
    struct content *content = &level->contents[number];
    if (level->folders.n > before)
        *content = (struct content){.is_split = is_split_name(pieces[0])};
    content->deep += deep;
    content->direct += !deep;
    content->pictures += !deep && cnn_path_is_picture(pieces[1].text);
    if (!deep || !is_split_name(pieces[1]))
        return CNN_OK;
    content->in_splits++;
    return cnn_names_add(&number, &level->inner_splits, pieces[1].text, pieces[1].length);
}

static enum cnn_status level_look(struct level *out, const struct cnn_records *records, int skip) {
    for (uint64_t i = 0; i < records->n; i++)
        if (!cnn_record_is_folder(&records->files[i]))
            CNN_TRY(level_add(out, cnn_records_path(records, i), skip));
    for (int k = 0; k < out->folders.n; k++) {
        const struct content *content = &out->contents[k];
        out->n_splits += content->is_split;
        out->n_deep_splits += content->is_split && content->deep > 0 && content->pictures == 0;
    }
    return CNN_OK;
}

// ---- messages ----

struct text {
    char data[700];
    size_t n;
};

static void CNN_PRINTF(2, 3) append(struct text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->data + text->n, sizeof text->data - text->n, format, args);
    va_end(args);
    size_t room = sizeof text->data - text->n - 1;
    text->n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

enum which { ALL, SPLITS_ONLY, OTHERS_ONLY };

// "test, train", sorted.
static void append_folders(struct text *text, const struct level *level, enum which which) {
    char *names[64];
    int n = 0;
    for (int k = 0; k < level->folders.n && n < 64; k++)
        if (which == ALL || level->contents[k].is_split == (which == SPLITS_ONLY))
            names[n++] = level->folders.items[k];
    qsort(names, (size_t)n, sizeof *names, compare);
    for (int k = 0; k < n && k < MAX_SHOWN; k++)
        append(text, "%s%s", k > 0 ? ", " : "", names[k]);
    if (n > MAX_SHOWN)
        append(text, ", ...");
}

// Where the level lies: the source, and in it the folders around everything.
struct place {
    const struct cnn_records_origin *origin;
    char prefix[4096]; // "" or "folder/folder/"
    int skip;
    int between; // folders in every split that are around all its classes
};

// "SRC" or "SRC/folder/folder"
static struct text where(const struct place *place) {
    struct text text = {0};
    append(&text, "%s", place->origin->path);
    if (*place->prefix)
        append(&text, "/%.*s", (int)strlen(place->prefix) - 1, place->prefix);
    return text;
}

// What imports one folder, into OUT or into OUT/NAME.
static void append_command(struct text *text, const struct place *place, const char *folder, const char *name,
                           const char *first) {
    const struct cnn_records_origin *origin = place->origin;
    const char *under = origin->under ? origin->under : "";
    if (origin->is_archive)
        append(text, "`cnn_dist dataset import tar %s --under %s%s%s%s", origin->path, under,
               *under && under[strlen(under) - 1] != '/' ? "/" : "", place->prefix, folder);
    else
        append(text, "`cnn_dist dataset import folder %s/%s%s", origin->path, place->prefix, folder);
    append(text, " --out %s%s%s", origin->out, *name ? "/" : "", name);
    if (first)
        append(text, " --classes-of %s/%s", origin->out, first);
    append(text, "`");
}

static enum cnn_status fail_mixed(const struct place *place, const struct level *level) {
    struct text splits = {0}, others = {0}, commands = {0};
    const char *first = NULL;
    append_folders(&splits, level, SPLITS_ONLY);
    append_folders(&others, level, OTHERS_ONLY);
    for (int k = 0; k < level->folders.n; k++) // what the network learns comes first
        if (level->contents[k].is_split && (!first || strncasecmp(level->folders.items[k], "train", 5) == 0))
            first = level->folders.items[k];
    append_command(&commands, place, first, first, NULL);
    for (int k = 0; k < level->folders.n; k++)
        if (level->contents[k].is_split && level->folders.items[k] != first) {
            append(&commands, ", then ");
            append_command(&commands, place, level->folders.items[k], level->folders.items[k], first);
        }
    return cnn_fail(CNN_ERR_INPUT,
                    "%s holds folders of splits (%s) beside other folders (%s), which cannot all be classes. "
                    "Import each split: %s",
                    where(place).data, splits.data, others.data, commands.data);
}

static enum cnn_status fail_flat(const struct place *place, const struct level *level) {
    struct text splits = {0};
    append_folders(&splits, level, SPLITS_ONLY);
    return cnn_fail(CNN_ERR_INPUT,
                    "%s has no class folders: its splits (%s) contain files but no folders; expected "
                    "SPLIT/CLASS/IMAGE.jpg, or a list of images and classes: %s",
                    where(place).data, splits.data,
                    place->origin->is_archive
                        ? "--labels FILE for a flat archive, with --under FOLDER for one of its folders"
                        : "`cnn_dist dataset import list FILE`");
}

static enum cnn_status fail_classes_of_splits(const struct place *place, const struct level *level) {
    struct text classes = {0}, splits = {0};
    append_folders(&classes, level, ALL);
    qsort(level->inner_splits.items, (size_t)level->inner_splits.n, sizeof(char *), compare); // its last use
    for (int k = 0; k < level->inner_splits.n; k++)
        append(&splits, "%s%s", k > 0 ? ", " : "", level->inner_splits.items[k]);
    return cnn_fail(CNN_ERR_INPUT,
                    "%s: the folders %s contain splits (%s): expected SPLIT/CLASS/IMAGE.jpg, found "
                    "CLASS/SPLIT/IMAGE.jpg; move the folders, or import a list of the images of each split "
                    "(`cnn_dist dataset import list`)",
                    where(place).data, classes.data, splits.data);
}

static enum cnn_status fail_one_folder(const struct place *place, const struct level *level) {
    const struct content *content = &level->contents[0];
    const char *name = level->folders.items[0];
    struct text command = {0};
    append_command(&command, place, name, "", NULL);
    return cnn_fail(
        CNN_ERR_INPUT,
        "%s: the only folder, %s, contains both images (%" PRIu64 ") and folders (with %" PRIu64
        " files). If its folders are classes: %s; if it is a class itself, move its images into one folder "
        "or import a list (`cnn_dist dataset import list`)",
        where(place).data, name, content->pictures, content->deep, command.data);
}

// ---- the layout ----

enum shape { CLASSES, SPLITS, WRAPPER };

static enum cnn_status judge(enum shape *out, const struct place *place, const struct level *level) {
    const struct content *contents = level->contents;
    int n = level->folders.n, n_cut = 0;
    uint64_t deep = 0;
    for (int k = 0; k < n; k++) {
        deep += contents[k].deep;
        n_cut += contents[k].direct == 0 && contents[k].in_splits == contents[k].deep;
    }
    *out = CLASSES;
    if (n == 0)
        return CNN_OK;
    bool cut = n_cut == n && level->inner_splits.n > 1;
    if (n > 1 && cut)
        return fail_classes_of_splits(place, level);
    if (level->n_splits == n && !cut) {
        *out = SPLITS;
        return deep > 0 ? CNN_OK : fail_flat(place, level);
    }
    if (level->n_splits < n && level->n_deep_splits > 0)
        return fail_mixed(place, level);
    if (n > 1)
        return CNN_OK;
    if (deep == 0 || contents[0].pictures > MANY * deep)
        return CNN_OK;
    if (contents[0].pictures > 0 && deep <= MANY * contents[0].pictures)
        return fail_one_folder(place, level);
    *out = deep > contents[0].direct ? WRAPPER : CLASSES;
    return CNN_OK;
}

static void warn_of_empty_splits(const struct place *place, const struct level *level) {
    for (int k = 0; k < level->folders.n; k++)
        if (level->contents[k].deep == 0 && place->origin->warns)
            cnn_log_warn("%s/%s has no class folders: ignored %" PRIu64 " files", where(place).data,
                         level->folders.items[k], level->contents[k].direct);
}

// Counts folders that are the only one in every split and hold nothing but folders:
// SPLIT/photos/CLASS/PICTURE.
static enum cnn_status look_into_splits(struct place *place, const struct cnn_records *records) {
    char prefix[4096] = "";
    for (bool is_wrapper = true; is_wrapper;) {
        struct level level = {0};
        enum cnn_status status = level_look(&level, records, place->skip + 1 + place->between);
        const struct content *only = level.contents;
        is_wrapper =
            status == CNN_OK && level.folders.n == 1 && only->pictures == 0 && only->deep > only->direct;
        if (is_wrapper) {
            size_t n = strlen(prefix);
            status = cnn_path_format(prefix + n, sizeof prefix - n, "/%s", level.folders.items[0]);
            place->between++;
        }
        level_finish(&level);
        CNN_TRY(status);
    }
    if (place->between > 0)
        cnn_log_info("%s: the classes are the folders in SPLIT%s, the only folder of each split",
                     where(place).data, prefix);
    return CNN_OK;
}

// *out_splits: the folders behind place->skip others are splits, not classes.
static enum cnn_status find_layout(struct place *place, bool *out_splits, const struct cnn_records *records) {
    enum shape shape;
    do {
        struct level level = {0};
        enum cnn_status status = level_look(&level, records, place->skip);
        if (status == CNN_OK)
            status = judge(&shape, place, &level);
        if (status == CNN_OK && shape == SPLITS)
            warn_of_empty_splits(place, &level);
        if (status == CNN_OK && shape == WRAPPER) {
            size_t n = strlen(place->prefix);
            status =
                cnn_path_format(place->prefix + n, sizeof place->prefix - n, "%s/", level.folders.items[0]);
            place->skip++;
        }
        level_finish(&level);
        CNN_TRY(status);
    } while (shape == WRAPPER);
    *out_splits = shape == SPLITS;
    if (place->skip > 0)
        cnn_log_info("%s: the %s are the folders in %s, the only folder", place->origin->path,
                     *out_splits ? "splits" : "classes", where(place).data);
    return *out_splits ? look_into_splits(place, records) : CNN_OK;
}

// Label and part of a file, or *out_outside: it is in no class folder.
static enum cnn_status put_in_class(struct cnn_records *records, const struct place *place, bool splits,
                                    struct cnn_import_file *file, const char *path, bool *out_outside) {
    struct piece pieces[MAX_PIECES], split[MAX_PIECES];
    int n = cut_path(pieces, path, place->skip + splits + place->between), label, part = 0;
    bool empty = file->at == CNN_RECORD_IS_FOLDER;
    *out_outside = n < (cnn_record_is_folder(file) ? 1 : 2);
    if (*out_outside)
        return CNN_OK;
    CNN_TRY(cnn_records_add_class(&label, records, pieces[0].text, pieces[0].length));
    if (splits && !empty) {
        cut_path(split, path, place->skip);
        CNN_TRY(cnn_names_add(&part, &records->parts, split[0].text, split[0].length));
    }
    if (part >= CNN_IMPORT_MAX_PARTS)
        return cnn_fail(CNN_ERR_INPUT, "more than %d folders with the names of splits", CNN_IMPORT_MAX_PARTS);
    file->label = label;
    file->part = (uint8_t)part;
    return CNN_OK;
}

enum cnn_status cnn_records_by_folder(struct cnn_records *records, const struct cnn_records_origin *origin) {
    struct place place = {.origin = origin};
    uint64_t kept = 0;
    bool splits;
    CNN_TRY(find_layout(&place, &splits, records));
    for (uint64_t i = 0; i < records->n; i++) {
        struct cnn_import_file file = records->files[i];
        bool outside, empty = file.at == CNN_RECORD_IS_FOLDER;
        CNN_TRY(put_in_class(records, &place, splits, &file, cnn_records_path(records, i), &outside));
        records->ignored.files[CNN_IGNORED_OUTSIDE] += outside && !empty;
        if (outside || empty)
            records->bytes -= file.bytes;
        else
            records->files[kept++] = file;
    }
    records->n = kept;
    return CNN_OK;
}
