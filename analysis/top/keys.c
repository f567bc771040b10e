/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <string.h>

#include "analysis/top/terminal/terminal.h"

#define SHORTEST_S 0.25
#define LONGEST_S  60.0

/* A character of the text that is searched, or the end of it. */
static enum keys_done take_search(struct top_look *look, int key)
{
    size_t length = strlen(look->search);

    look->scroll = 0;
    if (key == '\r' || key == '\n' || key == KEY_ESCAPE) {
        look->is_searching = false;
        if (key == KEY_ESCAPE)
            *look->search = 0;
    } else if (key == KEY_DELETE) {
        while (length && ((unsigned char)look->search[--length] & 0xc0) == 0x80)
            look->search[length] = 0;
        look->search[length] = 0;
    } else if (key == 'U' - '@') {
        *look->search = 0;
    } else if (key >= ' ' && key < 256 && length + 1 < sizeof look->search) {
        look->search[length] = (char)key;
        look->search[length + 1] = 0;
    }
    return KEYS_DRAW;
}

static enum keys_done show(struct top_look *look, struct model *model, int view)
{
    bool is_other = views[view].kind != views[model->view].kind;

    look->scroll = 0;
    model_show(model, (enum view_id)view);
    return is_other ? KEYS_ASK : KEYS_DRAW;
}

/* All of them, then each. */
static enum keys_done step_program(struct top_look *look, const struct model *model, int step)
{
    struct model_program programs[MODEL_PROGRAMS];
    int count = (int)model_programs(model, programs), at = -1;

    for (int i = 0; i < count; i++)
        if ((int)programs[i].program->number == look->program)
            at = i;
    at += step;
    at = at < -1 ? count - 1 : at >= count ? -1 : at;
    look->program = at < 0 ? -1 : (int)programs[at].program->number;
    look->scroll = 0;
    return KEYS_DRAW;
}

static enum keys_done scroll(struct top_look *look, int by)
{
    look->scroll = by < 0 && look->scroll < (unsigned)-by ? 0 : look->scroll + (unsigned)by;
    return KEYS_DRAW;
}

/* Half as long, twice as long. */
static enum keys_done change_interval(struct top_look *look, double factor)
{
    double interval_s = look->interval_s * factor;

    if (interval_s >= SHORTEST_S && interval_s <= LONGEST_S)
        look->interval_s = interval_s;
    return KEYS_DRAW;
}

static enum keys_done leave_help(struct top_look *look)
{
    look->shows_help = false;
    return KEYS_DRAW;
}

static enum keys_done move(struct top_look *look, int key, unsigned height)
{
    const int page = height > 12 ? (int)height - 12 : 1;

    switch (key) {
    case KEY_UP:
    case 'k':
        return scroll(look, -1);
    case KEY_DOWN:
    case 'j':
        return scroll(look, 1);
    case KEY_PAGE_UP:
        return scroll(look, -page);
    case KEY_PAGE_DOWN:
        return scroll(look, page);
    case KEY_HOME:
    case 'g':
        look->scroll = 0;
        return KEYS_DRAW;
    case KEY_END:
    case 'G':
        return scroll(look, 1 << 20); /* the layout holds it */
    default:
        return KEYS_NOTHING;
    }
}

static enum keys_done choose(struct top_look *look, struct model *model, int key)
{
    switch (key) {
    case 't':
    case '\t':
    case KEY_RIGHT:
        return show(look, model, (model->view + 1) % VIEWS);
    case 'T':
    case KEY_LEFT:
        return show(look, model, (model->view + VIEWS - 1) % VIEWS);
    case 'p':
        return step_program(look, model, 1);
    case 'P':
        return step_program(look, model, -1);
    case '+':
    case '=':
        return change_interval(look, 2);
    case '-':
        return change_interval(look, 0.5);
    default:
        return key >= '1' && key <= '9' ? show(look, model, key - '1') : KEYS_NOTHING;
    }
}

static enum keys_done switch_look(struct top_look *look, int key)
{
    switch (key) {
    case 'c':
    case 'o':
        look->by_cum = !look->by_cum;
        return KEYS_DRAW;
    case 's':
        look->sort = (look->sort + 1) % SORTS;
        return KEYS_DRAW;
    case '/':
        look->is_searching = true;
        return KEYS_DRAW;
    case KEY_ESCAPE:
        *look->search = 0;
        return KEYS_DRAW;
    case ' ':
        look->is_paused = !look->is_paused;
        return KEYS_DRAW;
    case 'h':
    case '?':
        look->shows_help = true;
        return KEYS_DRAW;
    case 'L' - '@':
        return KEYS_DRAW;
    default:
        return KEYS_NOTHING;
    }
}

enum keys_done keys_take(struct top_look *look, struct model *model, int key, unsigned height)
{
    enum keys_done done;

    if (look->is_searching)
        return take_search(look, key);
    if (key == 'q' || key == 'Q')
        return KEYS_QUIT;
    if (look->shows_help)
        return leave_help(look);
    done = move(look, key, height);
    if (!done)
        done = choose(look, model, key);
    return done ? done : switch_look(look, key);
}
