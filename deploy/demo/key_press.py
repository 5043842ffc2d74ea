"""Waits for any key, where a person sits at the terminal."""

import os
import sys
import termios
import tty


def is_possible() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def wait_for_key() -> None:
    """Ctrl-C still interrupts. Keys that were pressed before don't count."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSAFLUSH)
        if os.read(terminal, 1) in (b"", b"\x04"):
            raise KeyboardInterrupt
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
