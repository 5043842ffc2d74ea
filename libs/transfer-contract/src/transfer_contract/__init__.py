"""What crosses a process boundary: names, payloads, activity contracts and the internal HTTP payloads.

Rules are cited by their numbers in docs/protocol.md, here and everywhere else.
"""
