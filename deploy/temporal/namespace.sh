#!/bin/sh
# Makes the namespace and its search attribute where they are missing, and ends when the server knows both.
set -eu
namespace=default
attribute=TransferStatus # written by the workflow when a transfer compensates or needs attention

serving() { temporal operator cluster health | grep -q SERVING; }

namespace_made() {
  temporal operator namespace describe --namespace "$namespace" ||
    temporal operator namespace create --namespace "$namespace" --retention 168h
}

attribute_made() {
  temporal operator search-attribute list --namespace "$namespace" | grep -q "$attribute" ||
    temporal operator search-attribute create --namespace "$namespace" --name "$attribute" --type Keyword
}

# The server caches namespaces and their search attributes: made is not yet known.
attribute_known() { temporal workflow list --namespace "$namespace" --limit 1 --query "$attribute = 'none'"; }

eventually() { # eventually COMMAND: within half a minute, or it is run once more and shows its error
  for _ in $(seq 60); do
    if "$@" >/dev/null 2>&1; then echo "$1"; return; fi
    sleep 0.5
  done
  "$@"
}

eventually serving
eventually namespace_made
eventually attribute_made
eventually attribute_known
