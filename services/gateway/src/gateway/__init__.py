"""The public HTTP API: validates, calls the four internal APIs, and answers. It keeps no state of its own."""
