"""What crosses a process boundary: names, payloads, activity contracts and the internal HTTP payloads."""
