// YAML text -> yaml_document_t, with everything hostile or malformed refused before it is built.
#include "base/utf8.h"
#include "config/reader.h"

#include <string.h>

enum cnn_status cnn_reader_fail_in(const struct cnn_reader *reader, enum cnn_status status, yaml_mark_t mark,
                                   const char *path) {
    if (reader->is_override)
        return cnn_fail_in(status, "--set %s", path);
    if (*path == '\0')
        return cnn_fail_in(status, "%s:%zu:%zu", reader->name, mark.line + 1, mark.column + 1);
    return cnn_fail_in(status, "%s:%zu:%zu: %s", reader->name, mark.line + 1, mark.column + 1, path);
}

// Where byte `offset` of `text` stands. Columns count characters, as libyaml's do.
static yaml_mark_t mark_of(const char *text, size_t offset) {
    yaml_mark_t mark = {offset, 0, 0};
    for (size_t i = 0; i < offset; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((c & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static enum cnn_status check_text(const struct cnn_reader *reader, const char *text, size_t bytes,
                                  const char *path) {
    if (bytes > CNN_CONFIG_LIMIT_BYTES) {
        enum cnn_status status = cnn_fail(CNN_ERR_INPUT, "%zu bytes of YAML; at most %zu are allowed", bytes,
                                          CNN_CONFIG_LIMIT_BYTES);
        return reader->is_override ? cnn_fail_in(status, "--set %s", path)
                                   : cnn_fail_in(status, "%s", reader->name);
    }
    for (size_t i = 0; i < bytes;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = cnn_utf8_character(text + i, bytes - i);
        bool is_control = (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
        if (n == 0)
            cnn_fail(CNN_ERR_INPUT, "byte 0x%02x is not valid UTF-8; a config must be UTF-8 text", c);
        else if (is_control)
            cnn_fail(CNN_ERR_INPUT, "control character 0x%02x; a config must be plain text", c);
        if (n == 0 || is_control)
            return cnn_reader_fail_in(reader, CNN_ERR_INPUT, mark_of(text, i), path);
        i += n;
    }
    return CNN_OK;
}

// The byte a mark points at, 0 at the end. A mark's index counts characters.
static char byte_at(const char *text, size_t bytes, yaml_mark_t mark) {
    size_t at = 0;
    for (size_t i = 0; i < mark.index && at < bytes; i++)
        at += cnn_utf8_character(text + at, bytes - at);
    return at < bytes ? text[at] : '\0';
}

// Turns the parser's own error into ours.
static enum cnn_status fail_yaml(const struct cnn_reader *reader, const yaml_parser_t *parser,
                                 const char *text, size_t bytes, const char *path) {
    if (parser->error == YAML_MEMORY_ERROR)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot read %s", reader->name);
    const char *problem = parser->problem ? parser->problem : "unreadable";
    yaml_mark_t mark = parser->problem_mark;
    bool at_tab = false;
    if (parser->error == YAML_READER_ERROR)
        mark = mark_of(text, parser->problem_offset);
    else
        at_tab = byte_at(text, bytes, mark) == '\t';
    if (at_tab)
        cnn_fail(CNN_ERR_INPUT, "invalid YAML: tab character in indentation (%s); indent with spaces",
                 problem);
    else if (parser->context)
        cnn_fail(CNN_ERR_INPUT, "invalid YAML: %s, %s (from line %zu)", problem, parser->context,
                 parser->context_mark.line + 1);
    else
        cnn_fail(CNN_ERR_INPUT, "invalid YAML: %s", problem);
    return cnn_reader_fail_in(reader, CNN_ERR_INPUT, mark, path);
}

static enum cnn_status open_parser(yaml_parser_t *parser, const char *text, size_t bytes) {
    if (!yaml_parser_initialize(parser))
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot read YAML");
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, bytes);
    return CNN_OK;
}

struct event_counts {
    int depth, nodes, documents;
};

static const yaml_char_t *event_tag(const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag;
    default:
        return NULL;
    }
}

static enum cnn_status check_event(struct event_counts *counts, const yaml_event_t *event) {
    bool opens = event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT;
    bool closes = event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
    counts->depth += opens - closes;
    counts->nodes += opens || event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT;
    counts->documents += event->type == YAML_DOCUMENT_START_EVENT;
    if (counts->depth > CNN_CONFIG_MAX_DEPTH)
        return cnn_fail(CNN_ERR_INPUT, "nested deeper than %d levels", CNN_CONFIG_MAX_DEPTH);
    if (counts->nodes > CNN_CONFIG_MAX_NODES)
        return cnn_fail(CNN_ERR_INPUT, "more than %d keys and values", CNN_CONFIG_MAX_NODES);
    if (counts->documents > 1)
        return cnn_fail(CNN_ERR_INPUT, "a second YAML document starts here; a config has only one");
    if (event_tag(event)) {
        char found[CNN_FOUND_BYTES];
        const char *tag = (const char *)event_tag(event);
        cnn_format_found(found, tag, strlen(tag));
        return cnn_fail(CNN_ERR_INPUT, "found the tag %s; tags are not supported in a config", found);
    }
    return CNN_OK;
}

// A first pass over the events, which holds no more than one of them: the document that is built afterwards
// is known to be small. Aliases need no more care: they share nodes, and no key that repeats is ever
// followed.
static enum cnn_status check_events(const struct cnn_reader *reader, const char *text, size_t bytes,
                                    const char *path) {
    yaml_parser_t parser;
    yaml_event_t event;
    struct event_counts counts = {0, 0, 0};
    enum cnn_status status = CNN_OK;
    CNN_TRY(open_parser(&parser, text, bytes));
    for (bool end = false; status == CNN_OK && !end;) {
        if (!yaml_parser_parse(&parser, &event)) {
            status = fail_yaml(reader, &parser, text, bytes, path);
            break;
        }
        status = check_event(&counts, &event);
        if (status != CNN_OK)
            status = cnn_reader_fail_in(reader, status, event.start_mark, path);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

enum cnn_status cnn_reader_load(struct cnn_reader *reader, const char *text, size_t bytes, const char *path) {
    yaml_parser_t parser;
    CNN_TRY(check_text(reader, text, bytes, path));
    CNN_TRY(check_events(reader, text, bytes, path));
    CNN_TRY(open_parser(&parser, text, bytes));
    enum cnn_status status = CNN_OK;
    if (!yaml_parser_load(&parser, &reader->document))
        status = fail_yaml(reader, &parser, text, bytes, path);
    yaml_parser_delete(&parser);
    return status;
}
