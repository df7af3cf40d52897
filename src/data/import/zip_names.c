#include "data/import/zip_names.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define END_BYTES 22
#define MAX_COMMENT_BYTES 65535
#define LOCATOR_BYTES 20
#define END64_BYTES 56
#define ENTRY_BYTES 46
#define FLAG_UTF8 0x0800
#define EXTRA_ZIP64 0x0001
#define EXTRA_UNICODE_PATH 0x7075

static uint64_t read_number(const uint8_t *at, int n) {
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

// ---- character sets ----

// The upper half of code page 437, in UTF-8.
static const char cp437[128][4] = {
    "Ç", "ü", "é", "â", "ä", "à", "å", "ç", "ê", "ë", "è", "ï", "î", "ì",      "Ä", "Å", "É", "æ", "Æ",
    "ô", "ö", "ò", "û", "ù", "ÿ", "Ö", "Ü", "¢", "£", "¥", "₧", "ƒ", "á",      "í", "ó", "ú", "ñ", "Ñ",
    "ª", "º", "¿", "⌐", "¬", "½", "¼", "¡", "«", "»", "░", "▒", "▓", "│",      "┤", "╡", "╢", "╖", "╕",
    "╣", "║", "╗", "╝", "╜", "╛", "┐", "└", "┴", "┬", "├", "─", "┼", "╞",      "╟", "╚", "╔", "╩", "╦",
    "╠", "═", "╬", "╧", "╨", "╤", "╥", "╙", "╘", "╒", "╓", "╫", "╪", "┘",      "┌", "█", "▄", "▌", "▐",
    "▀", "α", "ß", "Γ", "π", "Σ", "σ", "µ", "τ", "Φ", "Θ", "Ω", "δ", "∞",      "φ", "ε", "∩", "≡", "±",
    "≥", "≤", "⌠", "⌡", "÷", "≈", "°", "∙", "·", "√", "ⁿ", "²", "■", "\u00a0",
};

static enum cnn_status add_cp437(struct cnn_bytes *texts, const char *name) {
    for (; *name; name++) {
        const char *character = (signed char)*name < 0 ? cp437[(unsigned char)*name - 128] : name;
        CNN_TRY(cnn_bytes_add(texts, character, character == name ? 1 : strlen(character)));
    }
    return cnn_bytes_add(texts, "", 1);
}

// A name ends at its first zero byte, as it would on disk.
static enum cnn_status add_text(struct cnn_bytes *texts, const uint8_t *name, size_t n, bool known_as_utf8) {
    char *text = NULL;
    CNN_TRY(cnn_malloc(&text, n + 1, 1));
    memcpy(text, name, n);
    text[n] = '\0';
    if (!strchr(text, '/'))
        for (char *at = text; (at = strchr(at, '\\'));)
            *at = '/';
    enum cnn_status status = known_as_utf8 || cnn_utf8_is_valid(text)
                                 ? cnn_bytes_add(texts, text, strlen(text) + 1)
                                 : add_cp437(texts, text);
    free(text);
    return status;
}

// ---- one entry ----

struct entry {
    const uint8_t *name, *unicode;
    size_t name_bytes, unicode_bytes; // unicode NULL: no such field
    uint64_t bytes, offset;
    bool utf8;
};

// Sizes that have no room in 32 bits are all ones there and follow here in this order.
static void take_zip64(struct entry *entry, const uint8_t *head, const uint8_t *field, size_t n) {
    uint64_t packed = 0, *const values[] = {&entry->bytes, &packed, &entry->offset};
    static const int places[] = {24, 20, 42};
    for (int i = 0; i < 3; i++) {
        if (read_number(head + places[i], 4) != UINT32_MAX)
            continue;
        if (n < 8)
            return;
        *values[i] = read_number(field, 8);
        field += 8;
        n -= 8;
    }
}

static void take_extra(struct entry *entry, const uint8_t *head, const uint8_t *extra, size_t n) {
    while (n >= 4) {
        size_t id = read_number(extra, 2), length = read_number(extra + 2, 2);
        const uint8_t *field = extra + 4;
        if (length > n - 4)
            return;
        if (id == EXTRA_ZIP64)
            take_zip64(entry, head, field, length);
        else if (id == EXTRA_UNICODE_PATH && length > 5 && field[0] == 1 &&
                 read_number(field + 1, 4) == crc32(0, entry->name, (uInt)entry->name_bytes)) {
            entry->unicode = field + 5;
            entry->unicode_bytes = length - 5;
        }
        extra += 4 + length;
        n -= 4 + length;
    }
}

// *out_bytes: how long the entry is in the directory; 0: it is none.
static struct entry read_entry(size_t *out_bytes, const uint8_t *at, size_t rest) {
    struct entry entry = {0};
    *out_bytes = 0;
    if (rest < ENTRY_BYTES || memcmp(at, "PK\1\2", 4) != 0)
        return entry;
    size_t name = read_number(at + 28, 2), extra = read_number(at + 30, 2), comment = read_number(at + 32, 2);
    if (ENTRY_BYTES + name + extra + comment > rest)
        return entry;
    *out_bytes = ENTRY_BYTES + name + extra + comment;
    entry = (struct entry){.name = at + ENTRY_BYTES,
                           .name_bytes = name,
                           .bytes = read_number(at + 24, 4),
                           .offset = read_number(at + 42, 4),
                           .utf8 = read_number(at + 8, 2) & FLAG_UTF8};
    take_extra(&entry, at, entry.name + name, extra);
    return entry;
}

static enum cnn_status add_entry(struct cnn_zip_names *names, const struct entry *entry) {
    CNN_TRY(cnn_make_room(&names->items, &names->room, names->n, sizeof *names->items));
    names->items[names->n++] =
        (struct cnn_zip_name){.offset = entry->offset, .bytes = entry->bytes, .text = names->texts.n};
    if (!entry->utf8 && entry->unicode)
        return add_text(&names->texts, entry->unicode, entry->unicode_bytes, true);
    return add_text(&names->texts, entry->name, entry->name_bytes, entry->utf8);
}

// ---- the directory ----

static int by_offset(const void *a, const void *b) {
    const struct cnn_zip_name *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

// libarchive gives one member for each header, however often the directory has it.
static void sort(struct cnn_zip_names *names) {
    size_t kept = 0;
    if (names->n > 0)
        qsort(names->items, names->n, sizeof *names->items, by_offset);
    for (size_t i = 0; i < names->n; i++)
        if (i == 0 || names->items[i].offset != names->items[i - 1].offset)
            names->items[kept++] = names->items[i];
    names->n = kept;
}

static enum cnn_status parse(struct cnn_zip_names *names, const uint8_t *directory, size_t bytes) {
    for (size_t at = 0, length; at < bytes; at += length) {
        struct entry entry = read_entry(&length, directory + at, bytes - at);
        if (length == 0)
            break;
        CNN_TRY(add_entry(names, &entry));
    }
    sort(names);
    return CNN_OK;
}

// Where the directory lies: just before the record of the end, of which there are two where sizes are large.
static bool find_directory(uint64_t *out_at, uint64_t *out_bytes, const uint8_t *tail, size_t n,
                           uint64_t tail_at) {
    for (size_t at = n >= END_BYTES ? n - END_BYTES + 1 : 0; at-- > 0;) {
        if (memcmp(tail + at, "PK\5\6", 4) != 0 || at + END_BYTES + read_number(tail + at + 20, 2) > n)
            continue;
        *out_bytes = read_number(tail + at + 12, 4);
        size_t end = at;
        if (at >= LOCATOR_BYTES + END64_BYTES && memcmp(tail + at - LOCATOR_BYTES, "PK\6\7", 4) == 0 &&
            memcmp(tail + at - LOCATOR_BYTES - END64_BYTES, "PK\6\6", 4) == 0) {
            end = at - LOCATOR_BYTES - END64_BYTES;
            *out_bytes = read_number(tail + end + 40, 8);
        }
        *out_at = tail_at + end - *out_bytes;
        return *out_bytes <= tail_at + end;
    }
    return false;
}

enum cnn_status cnn_zip_names_read(struct cnn_zip_names *out, int fd, const char *path, uint64_t bytes) {
    const size_t most = END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES + END64_BYTES;
    size_t n = bytes < most ? (size_t)bytes : most;
    uint64_t at = 0, length = 0;
    uint8_t *tail, *directory = NULL;
    CNN_TRY(cnn_malloc(&tail, n + 1, 1));
    enum cnn_status status = cnn_file_pread(fd, path, tail, n, bytes - n);
    bool found = status == CNN_OK && find_directory(&at, &length, tail, n, bytes - n);
    free(tail);
    if (!found || length == 0)
        return status;
    CNN_TRY(cnn_malloc(&directory, (size_t)length, 1));
    status = cnn_file_pread(fd, path, directory, (size_t)length, at);
    if (status == CNN_OK)
        status = parse(out, directory, (size_t)length);
    free(directory);
    return status;
}

void cnn_zip_names_finish(struct cnn_zip_names *names) {
    free(names->items);
    free(names->texts.data);
    *names = (struct cnn_zip_names){0};
}
