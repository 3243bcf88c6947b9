"""Ways in which programs paint a text: python3 draw.py WAY, the text in VALUE."""
import curses
import os
import sys
import time

value = os.environ["VALUE"]


def out(text, wait=0.0):
    sys.stdout.write(text)
    sys.stdout.flush()
    if wait:
        time.sleep(wait)


def colour():
    for i, c in enumerate(value):
        out(f"\x1b[38;5;{16 + i}m{c}\x1b[0m")
    out("\r\n")


def places(order, between=""):
    out("\x1b[2J")
    for n, i in enumerate(order):
        out(f"\x1b[{3 + i // 60};{5 + i % 60}H{value[i]}" + between.replace("N", "-\\|/"[n % 4]), 0.004)
    out("\x1b[20;1H")


def cup():
    places(range(len(value)))


def backwards():
    places(reversed(range(len(value))))


def even_odd():
    n = len(value)
    places([*range(0, n, 2), *range(1, n, 2)])


def cup_spin():
    places(range(len(value)), "\x1b[22;1HN")


def diffstream():
    out("\x1b[?1049h\x1b[2J")
    at, step = 0, 3
    while at < len(value):
        part = value[at:at + step]
        out("\x1b[?2026h")
        for i, c in enumerate(part, at):
            out(f"\x1b[{4 + i // 40};{3 + i % 40}H\x1b[1m{c}\x1b[22m")
        out(f"\x1b[10;1H{'⠋⠙⠹⠸⠼⠴⠦⠧'[at % 8]} thinking {at}\x1b[?2026l", 0.01)
        at, step = at + step, 3 + (step + 1) % 4
    out("\x1b[?1049l")


def box():
    for i in range(0, len(value), 6):
        out(f"│{value[i:i + 6]:6}│\r\n")


def overstrike():
    out("".join(f"{c}\b{c}" for c in value) + "\r\n")


def fix_ups():
    for i, c in enumerate(value):
        out(c + ("x\b \b" if i % 5 == 4 else ""))
    out("\r\n")


def drip():
    for c in value:
        out(c, 0.015)
    out("\r\n")


def redraw():
    for n in range(0, len(value) + 1, 5):
        out(f"\rloading {value[:n]}", 0.005)
    out("\r\n")


def with_curses(draw):
    def run(screen):
        curses.curs_set(0)
        draw(screen)
        time.sleep(0.1)
    curses.wrapper(run)


def curses_typed():
    def draw(screen):
        for i, c in enumerate(value):
            screen.addstr(2 + i // 50, 4 + i % 50, c)
            screen.addstr(20, 0, f"{'-+'[i % 2]} {i}")
            screen.refresh()
            time.sleep(0.004)
    with_curses(draw)


def curses_window():
    def draw(screen):
        screen.refresh()
        window = curses.newwin(10, 34, 4, 20)
        for n in range(0, len(value) + 1, 4):
            window.erase()
            window.box()
            for i in range(0, n, 30):
                window.addstr(1 + i // 30, 2, value[i:min(n, i + 30)])
            screen.addstr(0, n % 70, "*" if n % 8 else "+")
            screen.noutrefresh()
            window.noutrefresh()
            curses.doupdate()
            time.sleep(0.01)
    with_curses(draw)


def curses_scrolled():
    def draw(screen):
        screen.scrollok(True)
        screen.idlok(True)
        for n in range(30):
            screen.addstr(f"line {n}\n")
            if n == 20:
                screen.addstr(value + "\n")
            screen.refresh()
            time.sleep(0.004)
    with_curses(draw)


globals()[sys.argv[1]]()
