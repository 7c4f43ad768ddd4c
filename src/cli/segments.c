#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/json.h"
#include "cli/look.h"
#include "cli/say.h"

struct segments_row {
    const struct where_entry *entry;
    uint32_t processes, dests;
    uint64_t generation, size;
    char why[480]; /* it cannot be attached */
};

static void segments_look(const struct where_entry *entry, struct segments_row *row)
{
    struct sp_segment segment = {0};
    struct sp_error error;
    *row = (struct segments_row){.entry = entry};
    if (sp_segment_attach(&segment, entry->path, &error) != 0) {
        snprintf(row->why, sizeof row->why, "%s", error.text);
        return;
    }
    row->processes = look_processes(&segment, NULL);
    for (uint32_t i = 0; i < segment.dest_max; i++)
        row->dests += segment.dests[i].name[0] != 0;
    row->generation = sp_segment_generation(atomic_load(&segment.head->policy));
    row->size = segment.size;
    sp_segment_detach(&segment);
}

static void segments_text(const struct segments_row *row)
{
    char size[7];
    if (row->why[0]) {
        printf("%-24s  %s\n", row->entry->shown, row->why);
        return;
    }
    humanize_number(size, sizeof size, (int64_t)row->size, "B", HN_AUTOSCALE,
                    HN_NOSPACE | HN_DECIMAL | HN_IEC_PREFIXES);
    printf("%-24s%11u%14u%12llu%9s  %s\n", row->entry->shown, row->processes, row->dests,
           (unsigned long long)row->generation, size, row->entry->path);
}

static void segments_json(struct json *json, const struct segments_row *row)
{
    json_open(json, NULL, '{');
    json_word(json, "name", row->entry->shown);
    json_word(json, "path", row->entry->path);
    if (row->why[0]) {
        json_word(json, "error", row->why);
    } else {
        json_count(json, "processes", row->processes);
        json_count(json, "destinations", row->dests);
        json_count(json, "generation", row->generation);
        json_count(json, "size_bytes", row->size);
    }
    json_close(json, '}');
}

int segments_main(struct cli *cli)
{
    struct where_list list;
    struct segments_row row;
    struct json json = {0};
    where_list(&list);
    if (cli->json)
        json_open(&json, NULL, '[');
    else if (list.count > 0 && !cli->quiet)
        printf("%-24s%11s%14s%12s%9s  %s\n", "SEGMENT", "PROCESSES", "DESTINATIONS", "GENERATION",
               "SIZE", "PATH");
    for (size_t i = 0; i < list.count; i++) {
        segments_look(&list.entries[i], &row);
        if (cli->json)
            segments_json(&json, &row);
        else
            segments_text(&row);
    }
    if (cli->json) {
        json_close(&json, ']');
        json_end();
    } else if (list.count == 0 && !cli->quiet) {
        printf("no segments in %s\n", where_directory());
    }
    free(list.entries);
    return CLI_OK;
}
