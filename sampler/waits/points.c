/* SPDX-License-Identifier: Apache-2.0 */
#include "points.h"

#include "sampler/base/clock.h"

#include "sampler/base/poison.h"

enum { PERIOD_NS = 10000, SHIFT_LEAST = 10, SHIFT_MOST = 40, SLOT_TICKS = 2048 };

/* Where the point of a period is, counted from the start of the period. */
static uint64_t point(uint64_t period, unsigned shift)
{
    uint64_t hash = (period + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 32) * UINT64_C(0xbf58476d1ce4e5b9) >> (64 - shift);
}

static uint64_t points_until(uint64_t ticks, unsigned shift)
{
    uint64_t period = ticks >> shift;
    return period + (ticks - (period << shift) >= point(period, shift));
}

/*
 * The length of periods changes with the fraction and with the number of threads. From when on each length counts is
 * kept, since a wait may reach over a change, and each of its moments has been looked at with the length of that
 * moment. A change begins a little later than it is decided, so that all threads know of it by then. Word n % PIECES
 * has the n-th: its first tick, and in the lowest bits the logarithm of the length. The one after the newest may be
 * in the middle of a change.
 */
enum { PIECES = 8, PIECE_SHIFT_BITS = 6, SHIFT_OFF = 63, CHANGE_DELAY_TICKS = 65536 };
static struct {
    _Atomic uint64_t piece[PIECES];
    _Atomic uint32_t newest;
    _Atomic uint32_t changing; /* tried, never waited for */
    _Atomic uint64_t chosen_for;
} schedule;

static uint64_t piece_at(uint32_t n)
{
    return atomic_load_explicit(&schedule.piece[n % PIECES], memory_order_relaxed);
}

static unsigned piece_shift(uint64_t piece)
{
    return (unsigned)(piece & ((1u << PIECE_SHIFT_BITS) - 1));
}

static uint64_t points_in(uint64_t from, uint64_t to, uint64_t piece)
{
    unsigned shift = piece_shift(piece);
    return to > from && shift && shift != SHIFT_OFF
               ? (points_until(to, shift) - points_until(from, shift)) << shift
               : 0;
}

/* The ticks that the points in this time stand for. */
uint64_t points_between(uint64_t from, uint64_t to)
{
    /* Acquire: pairs with the release in begin_piece(). */
    uint32_t newest = atomic_load_explicit(&schedule.newest, memory_order_acquire);
    uint64_t ticks = 0;

    for (uint32_t n = newest; n + PIECES - 1 != newest && to > from; n--) {
        uint64_t piece = piece_at(n), first = piece & ~(uint64_t)((1u << PIECE_SHIFT_BITS) - 1);
        if (to <= first)
            continue;
        if (from >= first || n + PIECES - 2 == newest)
            return ticks + points_in(from, to, piece);
        ticks += points_in(first, to, piece);
        to = first;
    }
    return ticks;
}

/* With a fraction of 1 a period is 10 us, or up to twice as much. It grows with the number of threads, because
   the time of a scan does: scans stay below some percent of the time. */
static unsigned wanted_shift(uint64_t fraction, uint64_t slots)
{
    unsigned shift = SHIFT_LEAST;

    if (!fraction)
        return SHIFT_OFF;
    while (shift < SHIFT_MOST && (UINT64_C(1) << shift < slots * SLOT_TICKS ||
                                  clock_ns_of(UINT64_C(1) << shift) / PERIOD_NS < fraction))
        shift++;
    return shift;
}

static void begin_piece(unsigned shift)
{
    uint32_t newest = atomic_load_explicit(&schedule.newest, memory_order_relaxed);
    uint64_t piece = piece_at(newest), first = clock_ticks() + CHANGE_DELAY_TICKS;

    if (piece_shift(piece) == shift)
        return;
    if (!piece) /* the first of all: nothing was looked at before */
        first = 0;
    else
        newest++;
    first = first >> PIECE_SHIFT_BITS << PIECE_SHIFT_BITS;
    atomic_store_explicit(&schedule.piece[newest % PIECES], first | shift, memory_order_relaxed);
    atomic_store_explicit(&schedule.newest, newest, memory_order_release);
}

/* Takes over what has changed. */
void points_follow_fraction(const struct segment *segment)
{
    uint64_t fraction = atomic_load_explicit(&segment->control.mutex_fraction, memory_order_relaxed);
    uint64_t slots = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
    uint32_t profiles = atomic_load_explicit(&segment->control.profiles, memory_order_relaxed);
    uint64_t now_for, newest = piece_at(atomic_load_explicit(&schedule.newest, memory_order_relaxed));

    fraction = profiles & 1u << PROFILE_MUTEX ? fraction < UINT32_MAX ? fraction : UINT32_MAX : 0;
    now_for = 1 + (fraction << 32 | slots);
    if (__builtin_expect(atomic_load_explicit(&schedule.chosen_for, memory_order_relaxed) == now_for, 1))
        return;
    if ((newest && clock_ticks() < newest) || /* the last one has not begun */
        atomic_exchange_explicit(&schedule.changing, 1, memory_order_acquire))
        return;
    begin_piece(wanted_shift(fraction, slots));
    atomic_store_explicit(&schedule.chosen_for, now_for, memory_order_relaxed);
    atomic_store_explicit(&schedule.changing, 0, memory_order_release);
}

/* No wait that begins now is registered, so no release needs to look for one. */
bool points_are_off(void)
{
    return piece_shift(piece_at(atomic_load_explicit(&schedule.newest, memory_order_acquire))) == SHIFT_OFF;
}

void points_forget(void)
{
    atomic_store_explicit(&schedule.changing, 0, memory_order_relaxed);
}
